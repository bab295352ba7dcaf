package cli

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	cases := map[string]struct {
		want  time.Duration
		shown string
	}{
		"90m":   {90 * time.Minute, "1h30m"},
		"24h":   {24 * time.Hour, "24h"},
		"7d":    {7 * 24 * time.Hour, "7d"},
		"1.5d":  {36 * time.Hour, "36h"},
		"1h20s": {time.Hour + 20*time.Second, "1h0m20s"},
		"10m":   {10 * time.Minute, "10m"},
		"40s":   {40 * time.Second, "40s"},
	}
	for text, c := range cases {
		var a Ago
		if err := a.Set(text); err != nil || time.Duration(a) != c.want || a.String() != c.shown {
			t.Errorf("%s: got %s, shown as %q, %v; want %s, %q", text, time.Duration(a), a.String(), err, c.want, c.shown)
		}
	}
	for _, text := range []string{"", "7", "d", "-1h", "0d", "0s", "7 d", "NaNd", "Infd", "1e300d"} {
		var a Ago
		if err := a.Set(text); err == nil {
			t.Errorf("%q is taken for %s", text, time.Duration(a))
		}
	}
}
