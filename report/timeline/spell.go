package timeline

import (
	"cmp"
	"slices"
	"time"

	"stackpolicy/internal/times"
)

// Spell is a stretch of time in one state.
type Spell struct {
	From, To time.Time
	State    State
}

// turn is where a state begins or ends.
type turn struct {
	at    time.Time
	state State
	by    int
}

// sweep lays marks over each other, from one time to another. At each time the
// worst mark counts, but only while some audit marked the time as in order: otherwise
// no audit ran. The result has no gaps.
func sweep(from, to time.Time, marks []Spell) []Spell {
	var turns []turn
	for _, m := range marks {
		begin, end := times.Later(m.From, from), m.To
		if end.After(to) {
			end = to
		}
		if begin.Before(end) {
			turns = append(turns, turn{begin, m.State, 1}, turn{end, m.State, -1})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.state, b.state)) })
	var out []Spell
	var open [States]int
	at := from
	for _, t := range append(turns, turn{at: to}) {
		if t.at.After(at) {
			out = extend(out, Spell{at, t.at, worst(open)})
			at = t.at
		}
		open[t.state] += t.by
	}
	return out
}

func worst(open [States]int) State {
	if open[InOrder] == 0 {
		return Unseen
	}
	for s := Page; s > Unseen; s-- {
		if open[s] > 0 {
			return s
		}
	}
	return InOrder
}

// extend adds a spell, and joins it to the last one if that has the same state.
func extend(list []Spell, s Spell) []Spell {
	if last := len(list) - 1; last >= 0 && list[last].State == s.State {
		list[last].To = s.To
		return list
	}
	return append(list, s)
}

// Durations adds up how long each state lasted.
func Durations(spells []Spell) (sum [States]time.Duration) {
	for _, s := range spells {
		sum[s.State] += s.To.Sub(s.From)
	}
	return sum
}
