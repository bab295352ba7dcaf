package daily

import (
	"fmt"
	"time"

	"stackpolicy/internal/text"
)

// tiles are the numbers of the whole window.
func (b *builder) tiles(m *Model) []Tile {
	return []Tile{
		b.orderTile(),
		{"Healed", fmt.Sprint(b.healedCount()), "actions that worked", ""},
		{"Coming back", fmt.Sprint(len(m.Back.Rows) + m.Back.More), "findings, after being gone", tone(len(m.Back.Rows), ticket)},
		{"Waived", fmt.Sprint(len(m.Waived.Rows) + m.Waived.More), b.waivedAbout(), ""},
		{"False successes", dash(m.False.Share), "active, but not up", tone(m.False.Times, page)},
		{"Alerted after", dash(m.Latency.Median), "median, new findings", ""},
	}
}

// tone colours a number only where it is not zero.
func tone(n int, s state) string {
	if n == 0 {
		return ""
	}
	return s.class()
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func (b *builder) waivedAbout() string {
	list := b.waivedNow()
	if len(list) == 0 {
		return "nothing is"
	}
	return "first until " + b.at(list[0].Waiver.Until)
}

func (b *builder) healedCount() int {
	n := 0
	for _, a := range b.Actions {
		if worked(a) {
			n++
		}
	}
	return n
}

// orderTile is the share of time in which everything was looked at and in
// order.
func (b *builder) orderTile() Tile {
	marks := []spell{}
	for _, l := range b.looks {
		marks = append(marks, spell{l.from, l.to, inOrder})
	}
	sum := durations(sweep(b.Since, b.Now, append(marks, b.marks(b.Standings)...)))
	looked := sum[inOrder] + sum[ticket] + sum[unknown] + sum[page]
	t := Tile{Name: "All in order", Value: "–", About: "no audit in this time"}
	if total := looked + sum[unlooked]; looked > 0 {
		t.Value, t.About = share(sum[inOrder].Seconds(), total.Seconds()), "of the time, looked at all along"
		if sum[unlooked] > time.Minute {
			t.About = "of the time; not looked at for " + text.Elapsed(sum[unlooked])
		}
		if sum[page] > 0 {
			t.Class = page.class()
		}
	}
	return t
}
