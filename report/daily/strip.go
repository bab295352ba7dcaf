package daily

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/internal/text"
	"stackpolicy/report/timeline"
)

// Strip is a subject's state over time.
type Strip struct {
	Bands []Band
	Line  string // for text: one character for each stretch
	Words string // how long it was in which state
}

// Band is an SVG path over all times of one state.
type Band struct{ Class, Path string }

// A strip is drawn in cells, and in text with a character for every few of
// them; each shows the worst that it holds.
const (
	cells       = 144 // ten minutes each of a day
	perChar     = 3
	stripHeight = 24
)

// strip draws spells that follow each other without a hole.
func strip(spells []timeline.Spell, c clock) Strip {
	if len(spells) == 0 {
		return Strip{}
	}
	row := paint(spells)
	return Strip{Bands: bands(row), Line: line(row), Words: inWords(spells, c)}
}

func paint(spells []timeline.Spell) (row [cells]timeline.State) {
	from := spells[0].From
	cell := max(spells[len(spells)-1].To.Sub(from)/cells, 1)
	for _, s := range spells {
		first, last := int(s.From.Sub(from)/cell), int((s.To.Sub(from)-1)/cell)
		for i := first; i <= min(last, cells-1); i++ {
			row[i] = max(row[i], s.State)
		}
	}
	return row
}

// bands are one path for each state that occurs. Height shows the state as
// well as colour does: what is in order is low, a page is high; unknown is an
// outline, and not observed is a line at the foot.
func bands(row [cells]timeline.State) []Band {
	var paths [timeline.States]strings.Builder
	for begin := 0; begin < cells; {
		end := begin + 1
		for end < cells && row[end] == row[begin] {
			end++
		}
		run(&paths[row[begin]], row[begin], begin, end-begin)
		begin = end
	}
	var out []Band
	for s := range timeline.States {
		if paths[s].Len() > 0 {
			out = append(out, Band{Class: classOf(s), Path: paths[s].String()})
		}
	}
	return out
}

func run(path *strings.Builder, s timeline.State, begin, length int) {
	if s == timeline.Unseen {
		fmt.Fprintf(path, "M%d %dh%d", begin, stripHeight-1, length)
		return
	}
	top := [timeline.States]int{timeline.InOrder: 17, timeline.Ticket: 9, timeline.Unknown: 1, timeline.Page: 0}[s]
	foot := stripHeight
	if s == timeline.Unknown {
		foot-- // its stroke is outside
	}
	fmt.Fprintf(path, "M%d %dh%dv%dh-%dz", begin, top, length, foot-top, length)
}

func line(row [cells]timeline.State) string {
	var out strings.Builder
	for i := 0; i < cells; i += perChar {
		worst := row[i]
		for _, s := range row[i : i+perChar] {
			worst = max(worst, s)
		}
		out.WriteRune([...]rune{'▁', '·', '▄', '?', '█'}[worst])
	}
	return out.String()
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
