package text

import (
	"testing"
	"time"
)

func TestParseSpan(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "24h": aDay, "7d": 7 * aDay, "0.5d": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"": 0, "d": 0, "0": 0, "-2h": 0, "-1d": 0, "2": 0, "2 d": 0, "1d12h": 0, "NaNd": 0, "1e300d": 0, "tomorrow": 0,
	} {
		got, err := ParseSpan(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %s, %v; want %s", s, got, err, want)
		}
	}
}
