package fleet

import (
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// seen returns the days of a source without what is after its last audit: a stretch of time may
// be longer than what was seen of it.
func seen(s overview.Source) []overview.Day {
	end := s.AsOf.Add(overview.Patience(s.Beat))
	var days []overview.Day
	for _, d := range s.Days {
		if d.To.After(end) {
			d.To = end
		}
		days = append(days, d)
	}
	return days
}

// strip draws the days of a source. What no audit looked at is not observed.
func strip(days []overview.Day, now time.Time) ([]look.Band, string) {
	spells := spellsOf(days, now)
	bands, _ := look.Strip(spells)
	sum := timeline.Durations(spells)
	var words []string
	for _, s := range []struct {
		state timeline.State
		word  string
	}{{timeline.Page, "page"}, {timeline.Unknown, "unknown"}, {timeline.Ticket, "ticket"}, {timeline.Unseen, "not observed"}, {timeline.InOrder, "in order"}} {
		if sum[s.state] > 0 {
			words = append(words, s.word+" "+text.Elapsed(sum[s.state]))
		}
	}
	return bands, strings.Join(words, ", ")
}

func spellsOf(days []overview.Day, now time.Time) []timeline.Spell {
	at, end := now.Add(-overview.Length), now
	var spells []timeline.Spell
	for _, d := range days {
		from, to := d.From, d.To
		if from.Before(at) {
			from = at
		}
		if to.After(end) {
			to = end
		}
		if !from.Before(to) {
			continue
		}
		if at.Before(from) {
			spells = append(spells, timeline.Spell{From: at, To: from, State: timeline.Unseen})
		}
		state := [...]timeline.State{finding.LevelOK: timeline.InOrder, finding.LevelWarning: timeline.Ticket, finding.LevelUnknown: timeline.Unknown, finding.LevelCritical: timeline.Page}[min(max(d.Worst, 0), finding.LevelCritical)]
		spells, at = append(spells, timeline.Spell{From: from, To: to, State: state}), to
	}
	if at.Before(end) {
		spells = append(spells, timeline.Spell{From: at, To: end, State: timeline.Unseen})
	}
	return spells
}
