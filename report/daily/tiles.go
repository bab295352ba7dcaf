package daily

import (
	"fmt"
	"time"

	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report/timeline"
)

// Tile is one number of the overview.
type Tile struct{ Name, Value, About, Class string }

// tiles are the numbers of the whole window.
func tiles(m Model, r timeline.Record, overall []timeline.Spell) []Tile {
	return []Tile{
		orderTile(overall, clock{r.Now}),
		{"Healed", fmt.Sprint(healedCount(r.Actions)), "successful actions", ""},
		{"Returned", fmt.Sprint(m.Back.count()), "findings that reappeared", tone(m.Back.count(), timeline.Ticket)},
		{"Waived", fmt.Sprint(m.Waived.count()), waivedAbout(r), ""},
		{"False successes", dash(m.False.Share), "active, but not up", tone(m.False.Times, timeline.Page)},
		{"Alerted after", dash(m.Latency.Median), "median, new findings", ""},
	}
}

// tone colours a number only if it is not zero.
func tone(n int, s timeline.State) string {
	if n == 0 {
		return ""
	}
	return classOf(s)
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func waivedAbout(r timeline.Record) string {
	list := openWaived(r.Occurrences)
	if len(list) == 0 {
		return "no finding"
	}
	return "first until " + clock{r.Now}.at(list[0].Waiver.Until)
}

func healedCount(actions []history.Action) int {
	n := 0
	for _, a := range actions {
		if worked(a) {
			n++
		}
	}
	return n
}

// orderTile is the share of time in which everything was observed and in order.
func orderTile(overall []timeline.Spell, c clock) Tile {
	sum, total, first := afterFirst(overall)
	seen := sum[timeline.InOrder] + sum[timeline.Ticket] + sum[timeline.Unknown] + sum[timeline.Page]
	t := Tile{Name: "All in order", Value: "–", About: "no audit in this time"}
	if seen > 0 {
		t.Value, t.About = share(sum[timeline.InOrder].Seconds(), total.Seconds()), "of the time"
		if first != nil {
			t.About += " since the first audit, " + c.at(*first)
		}
		switch {
		case sum[timeline.Unseen] > time.Minute:
			t.About += "; not observed for " + text.Elapsed(sum[timeline.Unseen])
		case sum[timeline.Unknown] == 0:
			t.About += ", fully observed"
		}
		if sum[timeline.Page] > 0 {
			t.Class = classOf(timeline.Page)
		}
	}
	return t
}
