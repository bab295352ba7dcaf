// Package courier sends what the memory of a host got to the hub, within a bounded time: after
// an audit, and while watching. What it cannot send stays, and is sent later.
//
// Start at [Send].
package courier

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/internal/lock"
)

// Hub is a connection to the broker.
type Hub interface {
	// Publish publishes an envelope, and waits until the broker has it on its disk. Two with
	// the same id are one.
	Publish(ctx context.Context, subject, id string, data []byte) error
	// Last returns the last statement of a subject; nil if there is none.
	Last(ctx context.Context, subject string) ([]byte, error)
	Close()
}

// Options are what to send, and to whom.
type Options struct {
	spool.Host
	StateHome string          // $XDG_STATE_HOME
	Archive   fleet.PublicKey // signs watermarks
	Dial      func(context.Context) (Hub, error)
	Now       func() time.Time
	Pause     time.Duration // between two envelopes of a backlog; 0 is [Pause]
	Limit     time.Duration // of one call; 0 is [Limit]
}

// Limits of one call. A thousand hosts that were away send their backlog over some audits, not
// all of it at once.
const (
	Pause      = 50 * time.Millisecond
	Limit      = 10 * time.Second
	maxBacklog = 60 // envelopes
	maxUnsent  = 200
)

// Result says what was done.
type Result struct {
	Sent      int
	IsBacklog bool // more waits, for the next call
}

// Send sends what is new. It connects only if something is due, and returns after o.Limit at the
// latest, whatever the hub does. If another process of the account is sending, it does nothing.
func Send(ctx context.Context, o Options) (r Result, err error) {
	o.Limit = cmp.Or(o.Limit, Limit)
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	waiting, err := spool.Open(ctx, o.StateHome, o.Source, o.Now())
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, waiting.Close()) }()
	draft, full := waiting.Draft(ctx, o.Host, o.Now())
	if full != nil && !errors.Is(full, spool.ErrFull) {
		return r, full
	}
	unsent, err := waiting.Unsent(ctx, o.Now(), maxUnsent)
	if err != nil || !draft.IsDue && len(unsent) == 0 && full == nil {
		return r, err
	}
	hub, err := o.Dial(ctx)
	if err != nil {
		return r, err
	}
	defer hub.Close()
	t := trip{Options: o, spool: waiting, hub: hub}
	err = t.run(ctx)
	return t.Result, err
}

// trip is one connection to the hub.
type trip struct {
	Options
	Result
	spool *spool.Spool
	hub   Hub
}

// run takes what the archive has, and sends. If nothing can be read of the archive, evidence is
// sent nevertheless, and kept.
func (t *trip) run(ctx context.Context) error {
	unread := t.acknowledge(ctx)
	if errors.Is(unread, spool.ErrCloned) || ctx.Err() != nil {
		return unread
	}
	return errors.Join(unread, t.send(ctx))
}

// send sends again what the archive lacks, and then what is new. Behind a backlog the newest
// state is sent first.
func (t *trip) send(ctx context.Context) error {
	unsent, err := t.spool.Unsent(ctx, t.Now(), maxUnsent)
	if err != nil {
		return err
	}
	draft, err := t.spool.Draft(ctx, t.Host, t.Now())
	if err == nil && (draft.IsBacklog || len(unsent) > 1) {
		err = t.beat(ctx)
	}
	if err != nil && !errors.Is(err, spool.ErrFull) {
		return err
	}
	for _, e := range unsent {
		if t.isOver(ctx) {
			t.IsBacklog = true
			return nil
		}
		if err := t.publish(ctx, e); err != nil {
			return err
		}
	}
	if err != nil {
		return err // the spool is full, and the archive did not take what was sent before
	}
	if !draft.IsDue {
		return nil
	}
	return t.rest(ctx)
}

// acknowledge reads the watermark. One that the archive did not sign is an error, and nothing
// is forgotten by it.
func (t *trip) acknowledge(ctx context.Context) error {
	subject, err := fleet.StatementSubject(fleet.WatermarkKind, t.Source)
	if err != nil {
		return err
	}
	data, err := t.hub.Last(ctx, subject)
	if err != nil {
		return fmt.Errorf("read what the archive has: %w", err)
	}
	if data == nil {
		return nil
	}
	var w fleet.Watermark
	if err := fleet.OpenStatement(fleet.WatermarkKind, t.Source, data, t.Archive, &w); err != nil {
		return fmt.Errorf("read what the archive has: %w", err)
	}
	if !bytes.Equal(w.Key, t.Key.Public()) {
		return nil // of the chain by an earlier key: the archive has nothing by this one
	}
	return t.spool.Acknowledge(ctx, w)
}

func (t *trip) beat(ctx context.Context) error {
	e, err := t.spool.SealBeat(ctx, t.Host, t.Now())
	if err != nil {
		return err
	}
	return t.publish(ctx, e)
}

// rest seals and sends until nothing is left.
func (t *trip) rest(ctx context.Context) error {
	for more := true; more; {
		if t.IsBacklog = t.isOver(ctx); t.IsBacklog {
			return nil
		}
		e, left, err := t.spool.Seal(ctx, t.Host, t.Now())
		if err == nil {
			err = t.publish(ctx, e)
		}
		if err != nil {
			return err
		}
		if more = left; more {
			t.breathe(ctx)
		}
	}
	return nil
}

// breathe waits between two envelopes, not for the same time on each host.
func (t *trip) breathe(ctx context.Context) {
	pause := cmp.Or(t.Pause, Pause)
	select {
	case <-ctx.Done():
	case <-time.After(pause/2 + rand.N(pause)):
	}
}

// isOver reports whether what is left has to wait for the next call.
func (t *trip) isOver(ctx context.Context) bool {
	end, has := ctx.Deadline()
	return t.Sent >= maxBacklog || ctx.Err() != nil || has && time.Until(end) < t.Limit/5
}

func (t *trip) publish(ctx context.Context, e spool.Envelope) error {
	subject, err := t.Source.Subject()
	if err != nil {
		return err
	}
	id, err := fleet.DigestOf(e.Sealed).MarshalText()
	if err == nil {
		err = t.hub.Publish(ctx, subject, string(id), e.Sealed)
	}
	if err != nil {
		return fmt.Errorf("send envelope %d: %w", e.Seq, err)
	}
	t.Sent++
	return t.spool.Sent(ctx, e.Seq, t.Now())
}
