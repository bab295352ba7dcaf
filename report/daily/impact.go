package daily

import (
	"html/template"
	"io"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/output"
	"stackpolicy/replay"
	"stackpolicy/report"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// maxStrips bounds how many subjects the page draws: those that change come first.
const maxStrips = 200

// impactPage is what the page of an impact shows.
type impactPage struct {
	report.Impact
	Sentence, From, To, Exact string
	Pairs                     []pair
	More                      int
}

// pair is a subject under the old rules and under the new ones.
type pair struct {
	Name          string
	Before, After Strip
	Changes       bool
}

// ImpactFormats lists every way to write an impact.
func ImpactFormats() []output.Format[report.Impact] {
	return append(report.ImpactFormats(), output.Format[report.Impact]{Name: "html", Write: WriteImpact})
}

// WriteImpact writes an impact as one page that needs nothing else: each subject under the
// old rules and, below, under the new ones; then what changes.
func WriteImpact(w io.Writer, i report.Impact) error {
	page := impactPage{Impact: i, From: minuteOf(i.Since), To: minuteOf(i.Until), Sentence: "nothing would have been different"}
	if !i.IsNone() {
		page.Sentence = i.Sentence()
	}
	if !i.ExactUntil.Equal(i.Until) {
		page.Exact = minuteOf(i.ExactUntil)
	}
	for _, changes := range []bool{true, false} {
		for _, s := range i.Strips {
			p := pair{Name: name(s.Subject), Before: drawn(s.Before, i), After: drawn(s.After, i)}
			p.Changes = p.Before.Line != p.After.Line
			switch {
			case p.Changes != changes:
			case len(page.Pairs) == maxStrips:
				page.More++
			default:
				page.Pairs = append(page.Pairs, p)
			}
		}
	}
	return look.Write(w, pages, template.FuncMap{"minute": minuteOf, "name": name, "sentence": sentence}, page, "impact.html")
}

func minuteOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// drawn draws spells from the first audit to the last. Between them, nothing was observed.
func drawn(list []replay.Spell, i report.Impact) Strip {
	var spells []timeline.Spell
	at := i.Since
	for _, s := range i.Strips {
		for _, first := range [][]replay.Spell{s.Before, s.After} {
			if len(first) > 0 && (at.Equal(i.Since) || first[0].From.Before(at)) {
				at = first[0].From
			}
		}
	}
	for _, s := range list {
		if s.From.After(at) {
			spells = append(spells, timeline.Spell{From: at, To: s.From, State: timeline.Unseen})
		}
		spells = append(spells, timeline.Spell{From: s.From, To: s.To, State: stateOf(s.Level)})
		at = s.To
	}
	if i.Until.After(at) {
		spells = append(spells, timeline.Spell{From: at, To: i.Until, State: timeline.Unseen})
	}
	return strip(spells, clock{i.Until})
}

func stateOf(l finding.Level) timeline.State {
	switch l {
	case finding.LevelCritical:
		return timeline.Page
	case finding.LevelUnknown:
		return timeline.Unknown
	case finding.LevelWarning:
		return timeline.Ticket
	}
	return timeline.InOrder
}
