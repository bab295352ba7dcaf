package timeline

import (
	"math"
	"time"

	"stackpolicy/history"
)

// StackRunning is the invariant that finds a stack that is not up.
const StackRunning = "stack_running"

// Successes is how often audits could observe a stack, and how often systemd
// called its unit active while the stack was not up.
type Successes struct{ Looked, False int }

// Successes counts for each stack's unit.
func (t *Timeline) Successes() map[string]Successes {
	stacks, down := map[string]Successes{}, t.downs()
	for _, span := range t.record.Spans {
		n := audits(span, t.record.Since)
		for unit, seen := range t.record.Snapshots[span.DocumentDigest].Units {
			if !seen.Stack || !seen.Looked {
				continue
			}
			s := stacks[unit]
			s.Looked += n
			if seen.Active {
				s.False += min(n, t.down(down[unit], span, n))
			}
			stacks[unit] = s
		}
	}
	return stacks
}

// downs lists when each stack was not up. The end of one that still is not up is
// the zero time.
func (t *Timeline) downs() map[string][]Spell {
	of := map[string][]Spell{}
	for _, s := range t.record.Occurrences {
		if s.Invariant != StackRunning || s.IsUnknown() {
			continue
		}
		d := Spell{From: s.Since, State: Page}
		if s.ResolvedAt != nil {
			d.To = *s.ResolvedAt
		}
		of[s.Subject] = append(of[s.Subject], d)
	}
	return of
}

// down returns how many of a span's n audits found a stack not up. A finding that
// the same audit healed counts as one.
func (t *Timeline) down(downs []Spell, span history.AuditSpan, n int) int {
	found := 0
	for _, d := range downs {
		switch {
		case d.From.After(span.To):
		case d.To.IsZero() || d.To.After(span.To):
			return n
		case !d.To.After(d.From) && !d.From.Before(Later(span.From, t.record.Since)):
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
