package look

import (
	"fmt"
	"strings"

	"stackpolicy/report/timeline"
)

// Band is an SVG path over all times of one state.
type Band struct{ Class, Path string }

// Strip draws spells that follow each other without a hole: as paths, and as a text with one
// character for each stretch. Without spells there is nothing.
func Strip(spells []timeline.Spell) ([]Band, string) {
	if len(spells) == 0 {
		return nil, ""
	}
	row := paint(spells)
	return bands(row), line(row)
}

// Class returns the CSS class of a state.
func Class(s timeline.State) string {
	return [...]string{"ok", "none", "ticket", "unknown", "page"}[s]
}

// A strip is drawn in cells, and in text with a character for every few of
// them; each shows the worst that it holds.
const (
	Cells       = 144 // ten minutes each of a day
	PerChar     = 3
	stripHeight = 24
)

func paint(spells []timeline.Spell) (row [Cells]timeline.State) {
	from := spells[0].From
	cell := max(spells[len(spells)-1].To.Sub(from)/Cells, 1)
	for _, s := range spells {
		first, last := int(s.From.Sub(from)/cell), int((s.To.Sub(from)-1)/cell)
		for i := first; i <= min(last, Cells-1); i++ {
			row[i] = max(row[i], s.State)
		}
	}
	return row
}

// bands are one path for each state that occurs. Height shows the state as
// well as colour does: what is in order is low, a page is high; unknown is an
// outline, and not observed is a line at the foot.
func bands(row [Cells]timeline.State) []Band {
	var paths [timeline.States]strings.Builder
	for begin := 0; begin < Cells; {
		end := begin + 1
		for end < Cells && row[end] == row[begin] {
			end++
		}
		run(&paths[row[begin]], row[begin], begin, end-begin)
		begin = end
	}
	var out []Band
	for s := range timeline.States {
		if paths[s].Len() > 0 {
			out = append(out, Band{Class: Class(s), Path: paths[s].String()})
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

func line(row [Cells]timeline.State) string {
	var out strings.Builder
	for i := 0; i < Cells; i += PerChar {
		worst := row[i]
		for _, s := range row[i : i+PerChar] {
			worst = max(worst, s)
		}
		out.WriteRune([...]rune{'▁', '·', '▄', '?', '█'}[worst])
	}
	return out.String()
}
