package daily

import (
	"fmt"
	"testing"
	"time"

	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// The path stays in its box, however long the window is.
func TestStripBounds(t *testing.T) {
	for _, length := range []time.Duration{time.Nanosecond, time.Second, time.Hour + 1, 24 * time.Hour, 366 * 24 * time.Hour} {
		s := strip([]timeline.Spell{{From: today, To: today.Add(length), State: timeline.Page}}, clock{today})
		if got, want := s.Bands[0].Path, fmt.Sprintf("M0 0h%dv24h-%dz", look.Cells, look.Cells); length >= look.Cells && got != want {
			t.Errorf("%v: got %s, want %s", length, got, want)
		}
		if got := len([]rune(s.Line)); got != look.Cells/look.PerChar {
			t.Errorf("%v: %d characters", length, got)
		}
	}
}
