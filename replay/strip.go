package replay

import (
	"slices"
	"strings"
	"time"

	"stackpolicy/decide"
	"stackpolicy/finding"
)

// Strip is how a subject was over time, by both rule books.
type Strip struct {
	Subject       string
	Before, After []Spell
}

// Spell is a time with one worst level.
type Spell struct {
	From, To time.Time
	Level    finding.Level
}

// verdictLasts is how long the verdict of an audit counts without another audit.
const verdictLasts = 24 * time.Minute

// strips collects the levels of subjects over time.
type strips struct {
	last time.Time
	of   map[string]*Strip
}

// look adds what both rule books say at a time. What they said last lasts until then if
// there were audits all the time, and otherwise for a while.
func (s *strips) look(at time.Time, audited bool, results [2]decide.Result) {
	until := at
	if limit := s.last.Add(verdictLasts); !audited && at.After(limit) {
		until = limit
	}
	s.extend(until)
	s.last = at
	for k, r := range results {
		worst := map[string]finding.Level{}
		for _, f := range r.Decisions {
			worst[f.Subject] = max(worst[f.Subject], f.Level())
		}
		for subject, level := range worst {
			if s.of[subject] == nil {
				s.of[subject] = &Strip{Subject: subject}
			}
			list := &s.of[subject].Before
			if k == 1 {
				list = &s.of[subject].After
			}
			*list = append(*list, Spell{at, at, level})
		}
	}
}

// extend lets the last spells last until a time, and puts those together that are the same.
func (s *strips) extend(until time.Time) {
	for _, strip := range s.of {
		for _, list := range []*[]Spell{&strip.Before, &strip.After} {
			last := len(*list) - 1
			if last < 0 || !(*list)[last].From.Equal(s.last) {
				continue // it was not there
			}
			(*list)[last].To = until
			if last > 0 && (*list)[last-1].Level == (*list)[last].Level && (*list)[last-1].To.Equal((*list)[last].From) {
				(*list)[last-1].To = until
				*list = (*list)[:last]
			}
		}
	}
}

// all returns the strips, the host's first.
func (s *strips) all() []Strip {
	s.extend(s.last.Add(verdictLasts))
	list := []Strip{}
	for _, strip := range s.of {
		list = append(list, *strip)
	}
	slices.SortFunc(list, func(a, b Strip) int {
		if (a.Subject == finding.Host) != (b.Subject == finding.Host) {
			return map[bool]int{true: -1, false: 1}[a.Subject == finding.Host]
		}
		return strings.Compare(a.Subject, b.Subject)
	})
	return list
}
