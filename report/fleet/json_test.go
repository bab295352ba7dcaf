package fleet

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
)

// TestJSON: it is the fleet, with a source on each line.
func TestJSON(t *testing.T) {
	for name, in := range map[string]Input{"sample": sample(), "nothing": {Fleet: overview.Build(nil, now)}, "hostile": hostile("x")} {
		got := written(t, WriteJSON, in)
		want, err := json.Marshal(in.Fleet)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tree(t, want), tree(t, []byte(got))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for line := range strings.Lines(got) {
			if line = strings.TrimSuffix(line, "\n"); text.Clean(line) != line {
				t.Errorf("%s: not harmless: %.200q", name, line)
			}
		}
		if lines := strings.Count(got, "\n"); lines != len(in.Sources)+2 {
			t.Errorf("%s: %d lines for %d sources", name, lines, len(in.Sources))
		}
	}
}

func tree(t *testing.T, encoded []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(encoded, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
