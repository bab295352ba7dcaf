package daily

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// What a text from outside may be long.
const (
	maxName     = 200
	maxSentence = 400
)

// name is a name or path from outside, harmless and not too long.
func name(s string) string { return text.Clip(text.Clean(text.Clip(s, maxName)), maxName) }

// sentence is words from outside; what were lines are parted by semicolons.
func sentence(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(text.Clip(s, maxSentence)), "\n", "; ")
	return text.Clip(text.Clean(s), maxSentence)
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

func (c clock) ago(t time.Time) string { return text.Ago(c.now, t) }

// zone is the name of now's zone and its offset, once where they are the same.
func (c clock) zone() string {
	name, offset := c.now.Format("MST"), c.now.Format("UTC-07:00")
	if _, seconds := c.now.Zone(); seconds == 0 || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return strings.TrimSuffix(offset, "+00:00")
	}
	return name + " (" + offset + ")"
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

// verdict is the word for an exit status, and its class.
func verdict(exit int) (word, class string) {
	level := finding.LevelOfExit(exit)
	shown := map[finding.Level]state{
		finding.LevelOK: inOrder, finding.LevelWarning: ticket, finding.LevelUnknown: unknown, finding.LevelCritical: page,
	}[level]
	return level.String(), shown.class()
}
