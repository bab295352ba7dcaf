package daily

import (
	"cmp"
	"slices"
	"time"

	"stackpolicy/history"
)

// least is how long what only one audit saw counts.
const least = time.Minute

// spell is a while in one state.
type spell struct {
	from, to time.Time
	state    state
}

// look is a while that audits speak for, with the document they saw.
type look struct {
	from, to time.Time
	document string
}

// looks are sorted, oldest first. A verdict lasts until the next audit, unless
// that came so late that nothing is known of the while between them.
func looks(spans []history.AuditSpan, now time.Time) []look {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b history.AuditSpan) int { return a.From.Compare(b.From) })
	list := make([]look, len(spans))
	for i, s := range spans {
		next := now
		if i+1 < len(spans) {
			next = spans[i+1].From
		}
		to := later(s.To, s.From.Add(least))
		if pause := next.Sub(s.To); pause > 0 && pause <= Stale {
			to = next
		}
		list[i] = look{s.From, to, s.DocumentDigest}
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// turn is where a state begins or ends.
type turn struct {
	at    time.Time
	state state
	by    int
}

// sweep lays marks over each other, from one time to another: where nothing is
// marked as in order by an audit that looked, no other mark counts either; else
// the worst does. What it returns leaves no time out.
func sweep(from, to time.Time, marks []spell) []spell {
	var turns []turn
	for _, m := range marks {
		begin, end := later(m.from, from), m.to
		if end.After(to) {
			end = to
		}
		if begin.Before(end) {
			turns = append(turns, turn{begin, m.state, 1}, turn{end, m.state, -1})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.state, b.state)) })
	var out []spell
	var open [states]int
	at := from
	for _, t := range append(turns, turn{at: to}) {
		if t.at.After(at) {
			out = extend(out, spell{at, t.at, worst(open)})
			at = t.at
		}
		open[t.state] += t.by
	}
	return out
}

func worst(open [states]int) state {
	if open[inOrder] == 0 {
		return unlooked
	}
	for s := page; s > unlooked; s-- {
		if open[s] > 0 {
			return s
		}
	}
	return inOrder
}

// extend adds a spell, to the last one where that is in the same state.
func extend(list []spell, s spell) []spell {
	if last := len(list) - 1; last >= 0 && list[last].state == s.state {
		list[last].to = s.to
		return list
	}
	return append(list, s)
}

// durations adds up how long each state lasted.
func durations(spells []spell) (sum [states]time.Duration) {
	for _, s := range spells {
		sum[s.state] += s.to.Sub(s.from)
	}
	return sum
}
