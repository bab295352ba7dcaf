package times

import (
	"testing"
	"time"
)

func TestLaterAndEarlier(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	one := noon.Add(time.Hour)
	for _, pair := range [][2]time.Time{{noon, one}, {one, noon}} {
		if got := Later(pair[0], pair[1]); got != one {
			t.Errorf("Later(%s, %s) = %s", pair[0], pair[1], got)
		}
		if got := Earlier(pair[0], pair[1]); got != noon {
			t.Errorf("Earlier(%s, %s) = %s", pair[0], pair[1], got)
		}
	}
	if got := Later(time.Time{}, noon); got != noon {
		t.Errorf("Later(zero, noon) = %s", got)
	}
}
