package daily

import (
	"strings"
	"time"

	"stackpolicy/internal/text"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// Strip is a subject's state over time.
type Strip struct {
	Bands []look.Band
	Line  string // for text: one character for each stretch
	Words string // how long it was in which state
}

// strip draws spells that follow each other without a hole.
func strip(spells []timeline.Spell, c clock) Strip {
	if len(spells) == 0 {
		return Strip{}
	}
	bands, line := look.Strip(spells)
	return Strip{Bands: bands, Line: line, Words: inWords(spells, c)}
}

// afterFirst returns how long each state lasted, and how long in all. What was before the
// first audit does not count: not observed yet is not out of order.
func afterFirst(spells []timeline.Spell) (sum [timeline.States]time.Duration, total time.Duration, first *time.Time) {
	if len(spells) > 1 && spells[0].State == timeline.Unseen {
		first, spells = &spells[0].To, spells[1:]
	}
	sum = timeline.Durations(spells)
	for _, d := range sum {
		total += d
	}
	return sum, total, first
}

// inWords says how long each state lasted, the worst first, what is in order
// with its share.
func inWords(spells []timeline.Spell, c clock) string {
	sum, total, first := afterFirst(spells)
	var parts []string
	for _, s := range []timeline.State{timeline.Page, timeline.Unknown, timeline.Ticket, timeline.Unseen} {
		if sum[s] > 0 {
			parts = append(parts, stateWord(s)+" "+text.Elapsed(sum[s]))
		}
	}
	if first != nil {
		parts = append(parts, "not observed before "+c.at(*first))
	}
	ok := share(sum[timeline.InOrder].Seconds(), total.Seconds()) + " in order"
	return strings.Join(append([]string{ok}, parts...), ", ")
}
