package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/audit"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Observer observes the system.
type Observer interface {
	// Observe takes a snapshot and decides it. An error means that there is no verdict.
	Observe(ctx context.Context) (Observation, error)
	// Decide decides a snapshot as if it had been taken at the given time.
	Decide(ctx context.Context, doc *facts.Document, at time.Time) (*audit.Report, error)
}

// Gate compares the system with how it was before a change.
type Gate struct {
	Observer Observer
	Before   Observation
	From     string // where Before comes from: FromBegin, FromRun or FromMemory
	// Wait bounds the waiting; 0 takes one observation.
	Wait time.Duration
	// Settle is how long a verdict has to stay the same.
	Settle time.Duration
	// Heals says that audits heal on this system: a new finding that one could heal is waited
	// for until Wait is over.
	Heals bool
	// Grace is the longest time after which rules say something else of unchanged facts.
	Grace time.Duration
	// Except names units that are not waited for.
	Except []string
	// Progress, if not nil, is called with how long it has waited, and for what.
	Progress func(waited time.Duration, what []Waiting)
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration)
}

// leastPause and longestPause bound the time between two observations. Soon is how far ahead
// the facts are decided too, because rules give a start a minute.
const (
	leastPause   = 100 * time.Millisecond
	longestPause = time.Second
	soon         = time.Minute + time.Second
)

// End observes until nothing goes on any more and the verdict stays the same, at most for
// Wait, and compares it with the one before. An error means that there is no verdict, or
// that the context ended.
func (g Gate) End(ctx context.Context) (Result, error) {
	began, same := g.Now(), steady{}
	for {
		now, err := g.Observer.Observe(ctx)
		if err != nil {
			return Result{}, err
		}
		c := Compare(g.Before, now)
		waiting, err := g.waiting(ctx, now, c)
		if err != nil {
			return Result{}, err
		}
		at := g.Now()
		waited, held := at.Sub(began), same.see(at, now, c, waiting)
		isOver := waited >= g.Wait
		if isOver && held < g.Settle && same.changed {
			waiting = append(waiting, Waiting{HostWaits, "the verdict changed less than " + g.Settle.String() + " ago", false})
		}
		known := len(c.Undecided) == 0 || len(c.Worse) > 0
		if isOver || len(waiting) == 0 && known && held >= g.Settle {
			return g.result(ctx, now, c, waiting, waited)
		}
		if g.Progress != nil {
			g.Progress(waited, waiting)
		}
		g.Sleep(ctx, min(longestPause, max(g.Settle/2, leastPause), g.Wait-waited))
	}
}

// waiting returns why the verdict may be another one soon.
func (g Gate) waiting(ctx context.Context, now Observation, c Comparison) ([]Waiting, error) {
	already := Unsettled(g.Before.Document, g.Except...)
	list := slices.DeleteFunc(Unsettled(now.Document, g.Except...), func(w Waiting) bool { return w.lasts && slices.Contains(already, w) })
	if reason := unseen(now); reason != "" {
		list = append(list, Waiting{HostWaits, "no managed unit can be seen: " + reason, false})
	}
	if g.Heals {
		for _, w := range c.Worse {
			if strings.HasPrefix(w.Is, string(finding.Heal)) {
				list = append(list, Waiting{w.Subject, "waits for an audit that heals it (" + w.Invariant + ")", false})
			}
		}
	}
	if len(list) > 0 || len(c.Worse) > 0 {
		return list, nil
	}
	coming, err := g.coming(ctx, now, soon)
	for _, f := range coming {
		if f.Was == "" && !slices.ContainsFunc(g.Before.Report.Open(), f.isOf) {
			list = append(list, Waiting{f.Subject, fmt.Sprintf("is going to be a finding of %s within a minute: %s", f.Invariant, f.Message), false})
		}
	}
	return list, err
}

// coming returns what is found, or found worse, when a time has passed and nothing has
// changed. What a waiver covers now is not meant.
func (g Gate) coming(ctx context.Context, now Observation, in time.Duration) ([]Change, error) {
	report, err := g.Observer.Decide(ctx, now.Document, now.Document.CollectedAt.Add(in))
	if err != nil {
		return nil, err
	}
	waived := slices.DeleteFunc(now.Report.Open(), func(f finding.Finding) bool { return f.Waiver == nil })
	list := []Change{}
	for _, c := range Compare(now, Observation{Report: report, Document: now.Document}).Worse {
		if !slices.ContainsFunc(waived, c.isOf) {
			c.Change = Coming
			list = append(list, c)
		}
	}
	return list, nil
}

func (c Change) isOf(f finding.Finding) bool {
	return c.Invariant == f.Invariant && c.Subject == f.Subject && c.Object == f.Object()
}

// result completes a comparison. What had not settled before the change either does not
// make it unknown.
func (g Gate) result(ctx context.Context, now Observation, c Comparison, waiting []Waiting, waited time.Duration) (Result, error) {
	already := Unsettled(g.Before.Document, g.Except...)
	waiting = slices.DeleteFunc(waiting, func(w Waiting) bool { return slices.Contains(already, w) })
	coming, err := g.coming(ctx, now, g.Grace+soon)
	if err != nil {
		return Result{}, err
	}
	c.Coming = coming
	r := Result{
		Schema: Schema, Policy: now.Report.Policy.Digest, Before: g.Before.side(g.From), After: now.side(FromNow),
		WaitedMS: waited.Milliseconds(), Waiting: waiting, Comparison: c,
	}
	r.ExitCode = r.exitCode()
	return r, nil
}

// steady knows since when observations have said the same.
type steady struct {
	said    string
	since   time.Time
	changed bool // more than one thing was said
}

// see returns for how long observations have said the same as this one.
func (s *steady) see(at time.Time, o Observation, c Comparison, waiting []Waiting) time.Duration {
	var says strings.Builder
	fmt.Fprintln(&says, len(waiting) > 0, restarts(o.Document))
	for _, list := range [][]Change{c.Worse, c.Undecided} {
		for _, f := range list {
			fmt.Fprintf(&says, "%q %q %q %s\n", f.Invariant, f.Subject, f.Object, f.Is)
		}
	}
	if says.String() != s.said {
		s.changed = s.said != ""
		s.said, s.since = says.String(), at
	}
	return at.Sub(s.since)
}
