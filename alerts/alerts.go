// Package alerts sends what audits find to people and their tools: once when a
// finding appears or changes, again while it is open, and when it is gone.
// Messages wait in the history until their sink has accepted them. A sink that
// fails never changes a verdict.
//
// Start at [Run]; [Routes] makes the sinks that the configuration names.
package alerts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

// Bounds of one run. A message that was not sent in time waits for the next run.
const (
	total = 10 * time.Second
	// maxWaiting is more messages than the history keeps for ten sinks.
	maxWaiting = 10_000
)

// Memory is how far back a caller must read resolved findings. Older ones are read from
// the outbox if a sink was sent nothing of their end.
const Memory = 24 * time.Hour

// Hold is how long a finding must be gone before an alert says that it is resolved. Audits
// are at least ten minutes apart, but for those that a change starts, so the next one must
// have found it gone too. One that is back before is the same incident.
const Hold = 9 * time.Minute

// Outbox holds what is to be sent; [history.Store] is one.
type Outbox interface {
	queue
	receipts
}

type queue interface {
	Enqueue(ctx context.Context, messages []history.Message) error
	Due(ctx context.Context, now time.Time, limit int) ([]history.Message, error)
	SinkState(ctx context.Context, sink string, occurrence int64) (history.SinkState, error)
	Continue(ctx context.Context, sink string, from, to int64) error
	Unfinished(ctx context.Context, before time.Time, ended []string, limit int) ([]history.Occurrence, error)
}

type receipts interface {
	Claim(ctx context.Context, m history.Message, until time.Time) (bool, error)
	Delivered(ctx context.Context, id int64, at time.Time) error
	Failed(ctx context.Context, id int64, next time.Time, why string) error
}

// Options are what an audit found, and the sinks. Without Occurrences only the
// messages that already wait are sent.
type Options struct {
	Outbox      Outbox
	Routes      []notify.Route
	Occurrences []history.Occurrence // all that are open, and those resolved within [Memory]
	Steps       func(finding.Finding) []string
	Host        string
	User        string
	Now         time.Time
	// Spool is a file, or "". With it, audits send nothing over the network. What these sinks
	// are to be sent waits in the outbox or, without a memory, in this file. [Send] sends it.
	Spool string
}

// Notice says why alerts were not sent.
type Notice struct {
	Sink string // "" when it is about all sinks
	Text string // one line, from outside
}

// String returns the notice in one line.
func (n Notice) String() string {
	if n.Sink == "" {
		return "alerts: " + n.Text
	}
	return "alerts to " + n.Sink + ": " + n.Text
}

// Run puts new messages into the outbox, and sends what waits there. It takes at
// most ten seconds, and a little more for the outbox.
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
	if o.Spool != "" {
		notices = append(notices, o.stuck(waiting)...)
		notices = append(notices, noticeIf(writeSpool(o.Spool, nil))...) // what is open waits in the outbox
	}
	return append(notices, o.deliver(ctx, waiting)...)
}

// RunWithoutMemory sends the findings of an audit without an outbox. Nothing remembers
// what was sent, so every audit sends all open findings: too often is better than never.
// What cannot be sent is left to the next audit. [Options.Outbox] and
// [Options.Occurrences] are not used.
func RunWithoutMemory(ctx context.Context, o Options, found []finding.Finding) []Notice {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	var notices []Notice
	if o.Spool != "" {
		notices = noticeIf(o.leave(found))
	}
	return append(notices, toAll(o.own(), func(r notify.Route) []Notice { return sendNow(ctx, r, o.firing(r, found)) })...)
}

// firing returns the alerts of an audit without a memory for a sink.
func (o Options) firing(r notify.Route, found []finding.Finding) (alerts []notify.Alert) {
	gaps := map[string]bool{}
	for _, f := range found {
		if f.Counts() && wants(r, f, o.Now) && !isOneGap(history.Occurrence{Finding: f}, history.SinkState{}, gaps) {
			alerts = append(alerts, cut(o.alert(notify.KindFiring, history.Occurrence{Finding: f, Since: o.Now, LastSeen: o.Now})))
		}
	}
	return alerts
}

// sendNow sends alerts until one fails.
func sendNow(ctx context.Context, r notify.Route, alerts []notify.Alert) []Notice {
	for i, a := range alerts {
		if err := sendOne(ctx, r, a); err != nil {
			return []Notice{{r.Name(), fmt.Sprintf("%s; %d not sent", err, len(alerts)-i)}}
		}
	}
	return nil
}

func sendOne(ctx context.Context, r notify.Route, a notify.Alert) error {
	ctx, cancel := context.WithTimeout(ctx, notify.Timeout)
	defer cancel()
	return r.Send(ctx, a)
}

// own returns the routes that the audit itself sends to.
func (o Options) own() []notify.Route {
	return slices.DeleteFunc(slices.Clone(o.Routes), func(r notify.Route) bool { return r.Network && o.Spool != "" })
}

func noticeIf(err error) []Notice {
	if err == nil {
		return nil
	}
	return []Notice{{Text: err.Error()}}
}

// Waiting counts the messages that wait to be sent, by sink, but for those that an audit at
// the time left has just left to [Send].
func Waiting(ctx context.Context, outbox Outbox, now, left time.Time) (map[string]int, error) {
	messages, err := all(ctx, outbox, now)
	count := map[string]int{}
	for _, m := range messages {
		if m.Tries > 0 || !m.CreatedAt.Equal(left) {
			count[m.Sink]++
		}
	}
	return count, err
}

// Audits returns the audits of the history, newest first.
type Audits interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
}

// LastSuccess returns when the last audit of the last seven days could collect and
// decide; the zero time if none could.
func LastSuccess(ctx context.Context, audits Audits, now time.Time) (time.Time, error) {
	const limit = 10_000 // more spans than a week has audits
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

// enqueue adds messages to the outbox and returns what waits there afterwards. If
// that cannot be read, it returns before, with the error.
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

// all returns all messages that wait, also those to be tried later: no message is
// due after more than a century.
func all(ctx context.Context, q queue, now time.Time) ([]history.Message, error) {
	messages, err := q.Due(ctx, now.AddDate(100, 0, 0), maxWaiting)
	if err != nil {
		return nil, fmt.Errorf("read which alerts wait: %w", err)
	}
	return messages, nil
}
