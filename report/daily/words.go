package daily

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stackpolicy/audit"
	"stackpolicy/report"
)

// What a text from outside may be long.
const (
	maxName     = 200
	maxSentence = 400
)

// name is a name or path from outside, harmless and not too long.
func name(s string) string { return clip(report.Clean(clip(s, maxName)), maxName) }

// sentence is words from outside; what were lines are parted by semicolons.
func sentence(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(clip(s, maxSentence)), "\n", "; ")
	return clip(report.Clean(s), maxSentence)
}

// clip cuts what is longer than limit runes, and shows that it did.
func clip(s string, limit int) string {
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

// clock writes times as seen at its own time, in that time's zone.
type clock struct{ now time.Time }

// at is a time of day, with the day where it is another one than now's.
func (c clock) at(t time.Time) string {
	t = t.In(c.now.Location())
	switch {
	case t.Year() != c.now.Year():
		return t.Format("2 Jan 2006 15:04")
	case t.YearDay() != c.now.YearDay():
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("15:04")
}

func (c clock) ago(t time.Time) string {
	if d := c.now.Sub(t); d >= 0 {
		return passed(d) + " ago"
	}
	return "in " + passed(t.Sub(c.now))
}

// zone is the name of now's zone and its offset, once where they are the same.
func (c clock) zone() string {
	name, offset := c.now.Format("MST"), c.now.Format("UTC-07:00")
	if _, seconds := c.now.Zone(); seconds == 0 || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return strings.TrimSuffix(offset, "+00:00")
	}
	return name + " (" + offset + ")"
}

// passed is a duration in its two largest units.
func passed(d time.Duration) string {
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

// share is a part of a whole in percent. All and nothing are said only where
// it is so.
func share(part, whole float64) string {
	switch percent := 100 * part / whole; {
	case part == 0:
		return "0 %"
	case percent < 0.1:
		return "under 0.1 %"
	case percent >= 99.95 && part < whole:
		return "over 99.9 %"
	case percent >= 10 && percent == float64(int(percent)):
		return fmt.Sprintf("%.0f %%", percent)
	default:
		return fmt.Sprintf("%.1f %%", percent)
	}
}

func count(n int, one, all string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, all)
}

// verdict is the word for an exit status, and its class.
func verdict(exit int) (word, class string) {
	switch exit {
	case audit.ExitOK:
		return "OK", inOrder.class()
	case audit.ExitWarning:
		return "WARNING", ticket.class()
	case audit.ExitCritical:
		return "CRITICAL", page.class()
	}
	return "UNKNOWN", unknown.class()
}
