package daily

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/internal/text"
)

// A strip is drawn in cells, and in text with a character for every few of
// them; each shows the worst that it holds.
const (
	cells       = 144 // ten minutes each of a day
	perChar     = 3
	stripHeight = 24
)

// strip draws spells that follow each other without a hole.
func strip(spells []spell) Strip {
	if len(spells) == 0 {
		return Strip{}
	}
	row := paint(spells)
	return Strip{Bands: bands(row), Line: line(row), Words: inWords(durations(spells))}
}

func paint(spells []spell) (row [cells]state) {
	from := spells[0].from
	cell := max(spells[len(spells)-1].to.Sub(from)/cells, 1)
	for _, s := range spells {
		first, last := int(s.from.Sub(from)/cell), int((s.to.Sub(from)-1)/cell)
		for i := first; i <= min(last, cells-1); i++ {
			row[i] = max(row[i], s.state)
		}
	}
	return row
}

// bands are one path for each state that occurs. Height tells states apart as
// well as colour does: what is in order is low, a page is high; unknown is an
// outline, and not looked at a line at the foot.
func bands(row [cells]state) []Band {
	var paths [states]strings.Builder
	for begin := 0; begin < cells; {
		end := begin + 1
		for end < cells && row[end] == row[begin] {
			end++
		}
		run(&paths[row[begin]], row[begin], begin, end-begin)
		begin = end
	}
	var out []Band
	for s := range states {
		if paths[s].Len() > 0 {
			out = append(out, Band{Class: s.class(), Path: paths[s].String()})
		}
	}
	return out
}

func run(path *strings.Builder, s state, begin, length int) {
	if s == unlooked {
		fmt.Fprintf(path, "M%d %dh%d", begin, stripHeight-1, length)
		return
	}
	top := [states]int{inOrder: 17, ticket: 9, unknown: 1, page: 0}[s]
	foot := stripHeight
	if s == unknown {
		foot-- // its stroke is outside
	}
	fmt.Fprintf(path, "M%d %dh%dv%dh-%dz", begin, top, length, foot-top, length)
}

func line(row [cells]state) string {
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

// inWords says how long each state lasted, the worst first, what is in order
// with its share.
func inWords(sum [states]time.Duration) string {
	total := time.Duration(0)
	for _, d := range sum {
		total += d
	}
	var parts []string
	for _, s := range []state{page, unknown, ticket, unlooked} {
		if sum[s] > 0 {
			parts = append(parts, s.word()+" "+text.Elapsed(sum[s]))
		}
	}
	ok := share(sum[inOrder].Seconds(), total.Seconds()) + " in order"
	return strings.Join(append([]string{ok}, parts...), ", ")
}
