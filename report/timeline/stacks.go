package timeline

import (
	"math"
	"time"

	"stackpolicy/history"
	"stackpolicy/internal/times"
)

// StackRunning is the invariant that finds a stack that is not up.
const StackRunning = "stack_running"

// Successes is how often audits could observe a stack, and how often systemd
// called its unit active while the stack was not up.
type Successes struct{ Looked, False int }

// Successes counts for each stack's unit.
func (r Record) Successes() map[string]Successes {
	stacks, outages := map[string]Successes{}, r.outages()
	for _, span := range r.Spans {
		n := audits(span, r.Since)
		for unit, seen := range r.Snapshots[span.DocumentDigest].Units {
			if !seen.Stack || !seen.Looked {
				continue
			}
			s := stacks[unit]
			s.Looked += n
			if seen.Active {
				s.False += min(n, r.down(outages[unit], span, n))
			}
			stacks[unit] = s
		}
	}
	return stacks
}

// outage is a time in which a stack was not up; to is zero while it still is not.
type outage struct{ from, to time.Time }

// outages lists when each stack was not up.
func (r Record) outages() map[string][]outage {
	of := map[string][]outage{}
	for _, s := range r.Occurrences {
		if s.Invariant != StackRunning || s.IsUnknown() {
			continue
		}
		d := outage{from: s.Since}
		if s.ResolvedAt != nil {
			d.to = *s.ResolvedAt
		}
		of[s.Subject] = append(of[s.Subject], d)
	}
	return of
}

// down returns how many of a span's n audits found a stack not up. A finding that
// the same audit healed counts as one.
func (r Record) down(outages []outage, span history.AuditSpan, n int) int {
	found := 0
	for _, d := range outages {
		switch {
		case d.from.After(span.To):
		case d.to.IsZero() || d.to.After(span.To):
			return n
		case !d.to.After(d.from) && !d.from.Before(times.Later(span.From, r.Since)):
			found++
		}
	}
	return found
}

// audits returns how many of a span's audits were after since, as if they were
// equally far apart.
func audits(span history.AuditSpan, since time.Time) int {
	length := span.To.Sub(span.From)
	if !span.From.Before(since) || length <= 0 {
		return span.Count
	}
	part := span.To.Sub(since).Seconds() / length.Seconds()
	return max(1, int(math.Round(part*float64(span.Count))))
}
