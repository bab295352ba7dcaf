package timeline

import (
	"slices"
	"time"

	"stackpolicy/history"
	"stackpolicy/internal/times"
)

// observation is the time for which some audits speak, and the document they saw.
type observation struct {
	from, to time.Time
	document string // its digest
	failed   bool   // they could not begin: nothing was decided
}

// observations are sorted, oldest first. A verdict lasts until the next audit,
// unless that came so late that nothing is known about the time between them.
func observations(spans []history.AuditSpan, now time.Time) []observation {
	spans = Oldest(spans)
	list := make([]observation, len(spans))
	for i, s := range spans {
		next := now
		if i+1 < len(spans) {
			next = spans[i+1].From
		}
		to := times.Later(s.To, s.From.Add(least))
		if pause := next.Sub(s.To); pause > 0 && pause <= Stale {
			to = next
		}
		list[i] = observation{s.From, to, s.DocumentDigest, !s.Began()}
	}
	return list
}

// Oldest returns spans sorted, the oldest first.
func Oldest(spans []history.AuditSpan) []history.AuditSpan {
	return slices.SortedStableFunc(slices.Values(spans), func(a, b history.AuditSpan) int { return a.From.Compare(b.From) })
}
