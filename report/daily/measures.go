package daily

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// stackRunning is the invariant that finds a stack not up.
const stackRunning = "stack_running"

// latency is how long it took from the audit that first saw a finding to its
// first delivery, over the findings that appeared in the window and count. What
// was healed by the audit that found it was no news.
func (b *builder) latency() Latency {
	var took []time.Duration
	appeared := 0
	for _, s := range b.Standings {
		healed := s.ResolvedAt != nil && !s.ResolvedAt.After(s.Since)
		if s.Since.Before(b.Since) || healed || s.Waiver != nil || s.IsUnknown() {
			continue
		}
		appeared++
		if at, sent := b.FirstSent[s.ID]; sent {
			took = append(took, max(at.Sub(s.Since), 0))
		}
	}
	l := Latency{About: fmt.Sprintf("Of %s in this time, none was delivered to a sink.", text.Count(appeared, "new finding", "new findings"))}
	switch {
	case b.FirstSent == nil:
		l.About = "No delivery of an alert is recorded."
	case appeared == 0:
		l.About = "No new finding in this time."
	case len(took) > 0:
		slices.Sort(took)
		l.Median, l.Most = text.Elapsed((took[(len(took)-1)/2]+took[len(took)/2])/2), text.Elapsed(took[len(took)-1])
		l.Measured = fmt.Sprintf("%d of %d", len(took), appeared)
		l.About = fmt.Sprintf("From the audit that first saw a finding to its first delivery to any sink, over %s new findings; what went before that audit is not in it.", l.Measured)
	}
	return l
}

// tried is what audits saw of one stack.
type tried struct{ looked, falsely int }

// falseSuccess counts the audits in which systemd called a stack's unit active
// while stack_running found it not up.
func (b *builder) falseSuccess() FalseSuccess {
	stacks, down := map[string]*tried{}, b.downs()
	for _, span := range b.Spans {
		for unit, seen := range b.Snapshots[span.DocumentDigest].Units {
			if !seen.Stack || !seen.Looked {
				continue
			}
			if stacks[unit] == nil {
				stacks[unit] = &tried{}
			}
			n := audits(span, b.Since)
			stacks[unit].looked += n
			if seen.Active {
				stacks[unit].falsely += min(n, b.down(down[unit], span, n))
			}
		}
	}
	return b.falseSuccesses(stacks)
}

// downs are the whiles in which each stack was found not up; one that still is
// has no end.
func (b *builder) downs() map[string][]spell {
	of := map[string][]spell{}
	for _, s := range b.Standings {
		if s.Invariant != stackRunning || s.IsUnknown() {
			continue
		}
		d := spell{from: s.Since, state: page}
		if s.ResolvedAt != nil {
			d.to = *s.ResolvedAt
		}
		of[s.Subject] = append(of[s.Subject], d)
	}
	return of
}

// down is how many of a span's n audits found a stack not up. One that was also
// healed by the audit that found it counts as one.
func (b *builder) down(downs []spell, span history.AuditSpan, n int) int {
	found := 0
	for _, d := range downs {
		switch {
		case d.from.After(span.To):
		case d.to.IsZero() || d.to.After(span.To):
			return n
		case !d.to.After(d.from) && !d.from.Before(later(span.From, b.Since)):
			found++
		}
	}
	return found
}

// audits is how many of a span's audits were after since, taken to be equally
// far apart.
func audits(span history.AuditSpan, since time.Time) int {
	length := span.To.Sub(span.From)
	if !span.From.Before(since) || length <= 0 {
		return span.Count
	}
	part := span.To.Sub(since).Seconds() / length.Seconds()
	return max(1, int(math.Round(part*float64(span.Count))))
}

func (b *builder) falseSuccesses(stacks map[string]*tried) FalseSuccess {
	var sum tried
	names := slices.Sorted(maps.Keys(stacks))
	for _, t := range stacks {
		sum.looked, sum.falsely = sum.looked+t.looked, sum.falsely+t.falsely
	}
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(stacks[y].falsely, stacks[x].falsely) })
	var rows [][]string
	for _, n := range names {
		t := stacks[n]
		part := share(float64(t.falsely), float64(t.looked))
		rows = append(rows, []string{name(n), fmt.Sprint(t.falsely), fmt.Sprint(t.looked), part, b.applied(n)})
	}
	f := FalseSuccess{Times: sum.falsely, About: "No audit in this time could look at a stack."}
	f.Stacks = Table{
		Caption: "False successes of each stack",
		Head:    []string{"Stack's unit", "Active, but not up", "Audits that looked", "Share", "Last applied"},
	}.with(rows)
	if sum.looked > 0 {
		f.Share = share(float64(sum.falsely), float64(sum.looked))
		f.About = fmt.Sprintf("In %d of the %d looks that audits took at a stack, its unit was active while %s found the stack not up.", sum.falsely, sum.looked, stackRunning)
	}
	return f
}

// applied is whether a stack's restarts are verified.
func (b *builder) applied(unit string) string {
	u := b.inDocument(unit)
	switch {
	case u == nil:
		return "not known"
	case u.Applied != nil && u.Applied.State == "recorded":
		return "by stackctl"
	}
	return "not by stackctl"
}
