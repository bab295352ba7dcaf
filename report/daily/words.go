package daily

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/internal/text"
	"stackpolicy/report/look"
)

// name makes a name or path from outside harmless, and not too long.
func name(s string) string { return look.Name(s) }

// sentence makes words from outside harmless, and joins lines by semicolons.
func sentence(s string) string { return look.Sentence(s) }

// clock writes times relative to now, in the zone of now.
type clock struct{ now time.Time }

// at writes a time of day, and the day if it is not today.
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

func (c clock) ago(t time.Time) string { return text.Ago(c.now, t) }

// zone writes the name of the zone and its offset, once if they are the same.
func (c clock) zone() string {
	name, offset := c.now.Format("MST"), c.now.Format("UTC-07:00")
	if _, seconds := c.now.Zone(); seconds == 0 || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return strings.TrimSuffix(offset, "+00:00")
	}
	return name + " (" + offset + ")"
}

// share writes a part of a whole in percent. Only nothing is 0 %, and only all is
// 100 %.
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
