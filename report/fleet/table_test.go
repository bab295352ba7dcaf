package fleet

import (
	"fmt"
	"strings"
	"testing"

	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
)

func TestText(t *testing.T) {
	for _, width := range []int{80, 120} {
		in := sample()
		in.Width = width
		golden(t, fmt.Sprintf("sample_%d.txt", width), []byte(written(t, WriteText, in)))
	}
	in := sample()
	in.All, in.Color = true, true
	golden(t, "all_color.txt", []byte(written(t, WriteText, in)))
	golden(t, "nothing.txt", []byte(written(t, WriteText, Input{Fleet: overview.Build(nil, now), Width: 80})))
}

// TestTextIsHarmless: nothing in the table moves a cursor, and words are wrapped.
func TestTextIsHarmless(t *testing.T) {
	in := hostile("http://127.0.0.1:1")
	in.All = true
	for line := range strings.Lines(written(t, WriteText, in)) {
		if line = strings.TrimSuffix(line, "\n"); text.Clean(line) != line {
			t.Errorf("not harmless: %q", line)
		}
	}
	for line := range strings.Lines(written(t, WriteText, sample())) {
		if text.Width(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("too wide: %q", line)
		}
	}
}
