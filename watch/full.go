package watch

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
)

// late is how long after a change its event may come: podman needs half a second.
const late = 2 * time.Second

// fullAudit collects everything, and compares the verdict with the one that is believed. A
// difference that does not last was a change whose event came late.
func (l *loop) fullAudit(ctx context.Context, change taken) {
	l.full = time.Now().Add(poll) // if this one fails
	for tries := 1; ; tries++ {
		l.beat(func(h *Health) { h.Busy = time.Now().Add(collecting) })
		fresh, freshReport, err := l.afresh(ctx)
		if err != nil {
			l.pending.whole() // the change was not looked at
			l.undecided(ctx, err)
			return
		}
		_, believed, err := l.look(ctx, change.Change, time.Now())
		if err != nil {
			l.undecided(ctx, err)
			return
		}
		want, got := verdictOf(freshReport), verdictOf(believed)
		if want.text != got.text && tries < most {
			change = l.awaitLate(ctx)
			continue
		}
		if want.text != got.text && l.pending.has() { // a storm: the next full audit compares
			l.pending.whole()
			return
		}
		if want.text != got.text {
			l.different(want, got)
		}
		l.show(freshReport)
		l.recorded = "" // each full audit is recorded
		fresh, freshReport = l.audit(ctx, fresh, freshReport)
		l.remember(fresh)
		l.report, l.clock, l.full = freshReport, time.Now().Add(tick), time.Now().Add(l.Interval)
		return
	}
}

// awaitLate takes what changes until an event can no longer come late.
func (l *loop) awaitLate(ctx context.Context) taken {
	timer := time.NewTimer(late)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-l.pending.wake:
		l.pending.settle(ctx, quiet, latest)
	}
	t := l.pending.take()
	if t.again { // after the full audit
		l.pending.add(func(p *pending) { p.again, p.asked = true, p.asked || t.asked })
	}
	return t
}

// afresh makes a verdict without anything that was kept.
func (l *loop) afresh(ctx context.Context) (*facts.Document, *audit.Report, error) {
	env := l.setup.Environment
	memory, done := l.Recall(ctx, env)
	defer done()
	env.Memory = memory
	doc := collect.Collect(ctx, env)
	collect.AddOptional(ctx, env, doc, l.setup.Policies.Reads)
	report, err := l.decide(ctx, doc)
	return doc, report, err
}

// different says that the watch believed something else than a full audit found, and forgets
// what it believed.
func (l *loop) different(want, got verdict) {
	l.beat(func(h *Health) { h.Differences++ })
	l.Say(fmt.Sprintf("defect: the watch believed another verdict than a full audit found, which counts; please report it.\nfull audit: %s\nwatch:      %s", want.text, got.text))
	l.kept.Close()
	l.kept, l.series = &collect.Kept{}, decide.Series{}
}
