package audit

import (
	"context"
	"errors"
	"time"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/systemd"
)

// How long audits are remembered, and how large the history may become.
const (
	keep     = 400 * 24 * time.Hour // a year and a month, to compare with last year's
	maxBytes = 50 << 20
)

// Live is the running system, opened for one audit.
type Live struct {
	// History remembers audits. It is nil if it could not be opened: then that is a
	// gap in the facts, nothing is remembered, and no action is run.
	History *history.Store
	// Notice is a line for a person if opening the history had to repair something,
	// otherwise "". With a notice this audit runs no action.
	Notice string

	env     collect.Environment
	manager enforce.Manager // nil: the audit observes
	unlock  func()
}

// OpenLive opens the history and, for an audit that enforces, takes the lock
// that makes it the only one. The caller closes it.
func OpenLive(ctx context.Context, env collect.Environment, enforces bool) (*Live, error) {
	l := &Live{env: env, unlock: func() {}}
	enforced := enforce.WasLocked(env.RuntimeDir)
	if enforces {
		var err error
		if l.unlock, err = enforce.Lock(env.RuntimeDir, env.Now()); err != nil {
			return nil, err
		}
		l.manager = &systemd.User{RuntimeDir: env.RuntimeDir, BusAddress: env.BusAddress}
	}
	l.openHistory(ctx, enforced)
	return l, nil
}

// openHistory opens the history; enforced says that an audit ran before that has one.
func (l *Live) openHistory(ctx context.Context, enforced bool) {
	store, err := history.Open(ctx, l.env.StateHome, l.env.Now())
	if err != nil {
		l.env.Memory = unopened{err}
		return
	}
	l.History, l.env.Memory = store, store
	l.Notice = store.Notice()
	if l.Notice == "" && store.IsNew() && enforced {
		l.Notice = "the history is gone (an audit has enforced since the boot), so a new one was created"
	}
	if l.Notice != "" {
		l.manager = nil // earlier actions are not known, so the budget is not either
	}
}

// unopened replaces a history that could not be opened. Recall returns the reason.
type unopened struct{ why error }

func (u unopened) Recall(context.Context, time.Time) (facts.Memory, error) {
	return facts.Memory{}, u.why
}

// Audit returns an audit of the system. The caller sets Load, Units and Announce.
func (l *Live) Audit() Audit {
	a := Audit{Source: l, Manager: l.manager}
	if l.History != nil {
		a.Store = l.History
	}
	return a
}

// Collect takes a snapshot. A collector that fails is a gap in it, not an error.
func (l *Live) Collect(ctx context.Context) (*facts.Document, error) {
	return collect.Collect(ctx, l.env), nil
}

// AddOptional adds sections that few rules read; see [collect.AddOptional].
func (l *Live) AddOptional(ctx context.Context, doc *facts.Document, reads func(section string) bool) {
	collect.AddOptional(ctx, l.env, doc, reads)
}

// Unchanged checks again what a reload reads; see [collect.Unchanged].
func (l *Live) Unchanged(ctx context.Context, doc *facts.Document) error {
	return collect.Unchanged(ctx, l.env, doc)
}

// Close prunes and closes the history, and releases the lock.
func (l *Live) Close(ctx context.Context) error {
	defer l.unlock()
	if l.History == nil {
		return nil
	}
	return errors.Join(l.History.Prune(context.WithoutCancel(ctx), l.env.Now(), keep, maxBytes), l.History.Close())
}
