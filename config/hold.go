package config

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stackpolicy/internal/text"
	"stackpolicy/internal/unitfile"
)

// maxHolds bounds the list, and maxWords the runes of a reason or an owner.
const (
	maxHolds = 200
	maxWords = 200
)

// Hold is planned maintenance of one unit. Every key is required.
type Hold struct {
	Unit   string `yaml:"unit"`
	Reason string `yaml:"reason"`
	Owner  string `yaml:"owner"`
	Until  string `yaml:"until"` // RFC 3339; after that it covers nothing
}

// End returns the time at which the hold ends: the zero time if Until is not a time, which
// Read refuses.
func (h Hold) End() time.Time {
	end, _ := time.Parse(time.RFC3339, h.Until)
	return end.UTC()
}

func checkHolds(holds []Hold) (errs []error) {
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(holds) > maxHolds {
		problem("holds: %d of them, want at most %d", len(holds), maxHolds)
	}
	seen := map[string]bool{}
	for i, h := range holds {
		path := fmt.Sprintf("holds.%d.", i)
		switch {
		case !unitfile.Valid(h.Unit) || unitfile.IsTemplate(h.Unit):
			problem("%sunit: %q is no unit name; write one such as web.service", path, h.Unit)
		case seen[h.Unit]:
			problem("%sunit: %s is held already", path, h.Unit)
		}
		seen[h.Unit] = true
		for _, field := range []struct{ key, words string }{{"reason", h.Reason}, {"owner", h.Owner}} {
			if n := utf8.RuneCountInString(field.words); n == 0 || n > maxWords || strings.ContainsFunc(field.words, unicode.IsControl) {
				problem("%s%s: want one line of 1 to %d characters", path, field.key, maxWords)
			}
		}
		if h.End().IsZero() || h.End().Year() > 2200 {
			problem("%suntil: %q is not a time with a zone; want for example %s", path, h.Until, text.TimeLike(h.Until, time.Now()))
		}
	}
	return errs
}
