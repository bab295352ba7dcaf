// Package alerts tells people and their tools of what audits find: once when a
// finding appears or changes, again while it stands, and when it is gone. What
// is to be sent waits in the history until its sink took it; a sink that fails
// never changes a verdict.
//
// Start at [Run]; [Routes] makes the sinks that the configuration names.
package alerts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/alerts/notify"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Bounds of one run. A message that was not sent in time waits for the next.
const (
	total = 10 * time.Second
	// maxWaiting is more than the history keeps waiting for ten sinks.
	maxWaiting = 10_000
)

// Memory is how far back a caller looks for resolved findings. Older ones are
// told of no more, should the sinks have been without an audit that long.
const Memory = 24 * time.Hour

// Outbox holds what is to be sent; [history.Store] is one.
type Outbox interface {
	queue
	receipts
}

type queue interface {
	Enqueue(ctx context.Context, messages []history.Message) error
	Due(ctx context.Context, now time.Time, limit int) ([]history.Message, error)
	LastTold(ctx context.Context, sink string, standing int64) (history.Told, error)
}

type receipts interface {
	Claim(ctx context.Context, m history.Message, until time.Time) (bool, error)
	Delivered(ctx context.Context, id int64, at time.Time) error
	Failed(ctx context.Context, id int64, next time.Time, why string) error
}

// Options say what an audit found, and who is told. Without Standings only what
// waits already is sent.
type Options struct {
	Outbox    Outbox
	Routes    []notify.Route
	Standings []history.Standing // all that stand, and those resolved within [Memory]
	Steps     func(finding.Finding) []string
	Host      string
	User      string
	Now       time.Time
}

// Notice is a way in which alerts did not go out.
type Notice struct {
	Sink string // "" when it concerns all
	Text string // one line, from outside
}

// String is the notice in one line.
func (n Notice) String() string {
	if n.Sink == "" {
		return "alerts: " + n.Text
	}
	return "alerts to " + n.Sink + ": " + n.Text
}

// Run puts what is to be told into the outbox, and sends what waits there.
// It takes ten seconds at most, and a little for the outbox itself.
func Run(ctx context.Context, o Options) []Notice {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	waiting, err := all(ctx, o.Outbox, o.Now)
	if err != nil {
		return []Notice{{Text: err.Error()}}
	}
	messages, err := o.plan(ctx)
	if err == nil && len(messages) > 0 {
		waiting, err = o.enqueue(ctx, messages, waiting)
	}
	var notices []Notice
	if err != nil {
		notices = append(notices, Notice{Text: err.Error()})
	}
	return append(notices, o.deliver(ctx, waiting)...)
}

// RunWithoutMemory sends what an audit found where there is no outbox. Nothing
// remembers what was sent, so every audit sends all that is open: better too often
// than never. What cannot be sent is left to the next audit. [Options.Outbox] and
// [Options.Standings] are not used.
func RunWithoutMemory(ctx context.Context, o Options, found []finding.Finding) []Notice {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	return o.toAll(func(r notify.Route) []Notice {
		open := slices.DeleteFunc(slices.Clone(found), func(f finding.Finding) bool { return !f.Counts() || !wants(r, f, o.Now) })
		for i, f := range open {
			if err := o.sendNow(ctx, r, f); err != nil {
				return []Notice{{r.Name(), fmt.Sprintf("%s; %d not sent", err, len(open)-i)}}
			}
		}
		return nil
	})
}

func (o Options) sendNow(ctx context.Context, r notify.Route, f finding.Finding) error {
	ctx, cancel := context.WithTimeout(ctx, notify.Timeout)
	defer cancel()
	return r.Send(ctx, cut(o.alert(notify.KindFiring, history.Standing{Finding: f, Since: o.Now, LastSeen: o.Now})))
}

// Waiting counts what is still to be sent, by sink.
func Waiting(ctx context.Context, outbox Outbox, now time.Time) (map[string]int, error) {
	messages, err := all(ctx, outbox, now)
	count := map[string]int{}
	for _, m := range messages {
		count[m.Sink]++
	}
	return count, err
}

// Audits are those that the history knows, newest first.
type Audits interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
}

// LastSuccess is when an audit of the last week could look and decide; the zero
// time when none could.
func LastSuccess(ctx context.Context, audits Audits, now time.Time) (time.Time, error) {
	const limit = 10_000 // spans: more than there are audits in a week
	spans, err := audits.Audits(ctx, now.AddDate(0, 0, -7), limit)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when an audit last succeeded: %w", err)
	}
	for _, s := range spans {
		if finding.LevelOfExit(s.ExitCode) != finding.LevelUnknown {
			return s.To, nil
		}
	}
	return time.Time{}, nil
}

// enqueue returns what waits afterwards: what did before, where that cannot be
// read.
func (o Options) enqueue(ctx context.Context, messages, before []history.Message) ([]history.Message, error) {
	if err := o.Outbox.Enqueue(ctx, messages); err != nil {
		return before, fmt.Errorf("keep %d alerts to be sent: %w", len(messages), err)
	}
	waiting, err := all(ctx, o.Outbox, o.Now)
	if err != nil {
		return before, err
	}
	return waiting, nil
}

// all that waits, also for a later try: nothing is due later than in a century.
func all(ctx context.Context, q queue, now time.Time) ([]history.Message, error) {
	messages, err := q.Due(ctx, now.AddDate(100, 0, 0), maxWaiting)
	if err != nil {
		return nil, fmt.Errorf("read which alerts wait: %w", err)
	}
	return messages, nil
}
