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

// How long and how much is remembered.
const (
	keep     = 400 * 24 * time.Hour // a year and a month, to compare with last year's
	maxBytes = 50 << 20
)

// Live is the running system, opened for one audit.
type Live struct {
	// History remembers audits. It is nil if it could not be opened: then the
	// facts say so as a gap, and nothing is remembered or done.
	History *history.Store
	// Notice says in one line what opening the history had to do that a person
	// should know of; "" when nothing. Then nothing is done in this audit.
	Notice string

	env     collect.Environment
	manager enforce.Manager // nil: the audit observes
	unlock  func()
}

// OpenLive opens the history and, for an audit that enforces, takes the lock
// that makes it the only one. The caller closes it.
func OpenLive(ctx context.Context, env collect.Environment, enforces bool) (*Live, error) {
	l := &Live{env: env, unlock: func() {}}
	if enforces {
		var err error
		if l.unlock, err = enforce.Lock(env.RuntimeDir, env.Now()); err != nil {
			return nil, err
		}
		l.manager = &systemd.User{RuntimeDir: env.RuntimeDir, BusAddress: env.BusAddress}
	}
	l.openHistory(ctx)
	return l, nil
}

func (l *Live) openHistory(ctx context.Context) {
	store, err := history.Open(ctx, l.env.StateHome, l.env.Now())
	if err != nil {
		l.env.Memory = unopened{err}
		return
	}
	l.History, l.env.Memory = store, store
	if l.Notice = store.Notice(); l.Notice != "" {
		l.manager = nil // what was done before is not known
	}
}

// unopened replaces a history that could not be opened. Recall returns the reason.
type unopened struct{ why error }

func (u unopened) Recall(context.Context, time.Time) (facts.Memory, error) {
	return facts.Memory{}, u.why
}

// Audit returns an audit of the system, to be completed with Load, Units and
// Tell.
func (l *Live) Audit() Audit {
	a := Audit{Source: l, Manager: l.manager}
	if l.History != nil {
		a.Store = l.History
	}
	return a
}

// Collect takes a snapshot. What could not be collected is a gap in it, and no
// error.
func (l *Live) Collect(ctx context.Context) (*facts.Document, error) {
	return collect.Collect(ctx, l.env), nil
}

// Close prunes and closes the history, and lets go of the lock.
func (l *Live) Close(ctx context.Context) error {
	defer l.unlock()
	if l.History == nil {
		return nil
	}
	return errors.Join(l.History.Prune(context.WithoutCancel(ctx), l.env.Now(), keep, maxBytes), l.History.Close())
}
