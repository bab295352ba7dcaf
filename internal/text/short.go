package text

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Clip cuts a text to at most limit runes; the last one then is "…".
func Clip(s string, limit int) string {
	seen := 0
	for i := range s {
		if seen++; seen == limit {
			if _, size := utf8.DecodeRuneInString(s[i:]); i+size < len(s) {
				return s[:i] + "…"
			}
			return s
		}
	}
	return s
}

// Count returns "1 unit" or "3 units".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Elapsed returns a duration in its two largest units, such as "2 h 5 min".
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return two(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func two(a int, large string, b int, small string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, large)
	}
	return fmt.Sprintf("%d %s %d %s", a, large, b, small)
}

// Ago returns how long before now t was, or "in 2 h" for a time to come.
func Ago(now, t time.Time) string {
	if t.After(now) {
		return "in " + Elapsed(t.Sub(now))
	}
	return Elapsed(now.Sub(t)) + " ago"
}

// Brief returns a duration as people write it in a configuration: 15m where
// String returns 15m0s.
func Brief(d time.Duration) string {
	s := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, end) {
			s = s[:len(s)-2]
		}
	}
	return s
}
