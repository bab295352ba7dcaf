package alerts

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"stackpolicy/history"
	"stackpolicy/notify"
)

// A message that failed is tried again after a minute, and then each time after
// twice as long, up to an hour.
const (
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// deliver sends what waits.
func (o Options) deliver(ctx context.Context, waiting []history.Message) []Notice {
	notices := toAll(o.own(), func(r notify.Route) []Notice { return o.drain(ctx, r, of(r.Name(), waiting)) })
	return append(notices, o.dropForeign(ctx, waiting)...)
}

// toAll calls send for all sinks at the same time, so that a sink that does not answer
// does not delay the others.
func toAll(routes []notify.Route, send func(notify.Route) []Notice) []Notice {
	notices := make([][]Notice, len(routes))
	var sinks sync.WaitGroup
	for i, r := range routes {
		sinks.Go(func() { notices[i] = send(r) })
	}
	sinks.Wait()
	return slices.Concat(notices...)
}

func of(sink string, waiting []history.Message) []history.Message {
	return slices.DeleteFunc(slices.Clone(waiting), func(m history.Message) bool { return m.Sink != sink })
}

// drain sends a sink its messages, oldest first, until one fails. Messages about
// one finding keep their order: if one waits for a later try, so do those after it. If the
// sink's secrets cannot be read, nothing is tried, so that all is sent as soon as they can be.
func (o Options) drain(ctx context.Context, r notify.Route, messages []history.Message) []Notice {
	if s, ok := r.Sink.(notify.Checker); ok && len(messages) > 0 {
		if err := s.Check(); err != nil {
			return []Notice{{r.Name(), fmt.Sprintf("%s; %d wait", err, len(messages))}}
		}
	}
	held := map[int64]bool{}
	sent := 0
	for _, m := range messages {
		if held[m.Occurrence] || o.isLater(m) {
			held[m.Occurrence] = m.Occurrence != 0
			continue
		}
		if !o.claim(ctx, m) {
			held[m.Occurrence] = m.Occurrence != 0
			continue
		}
		if err := o.try(ctx, r, m); err != nil {
			return []Notice{{r.Name(), fmt.Sprintf("%s; %d wait", err, len(messages)-sent)}}
		}
		sent++
	}
	return nil
}

// isLater reports whether it is too early to try a message.
func (o Options) isLater(m history.Message) bool {
	wait := m.NextTry.Sub(o.Now)
	return wait > 0 && wait <= lastRetry // a longer wait means that the clock was set back
}

// claim reports whether this process may send the message, and not another process that
// runs at the same time. If that cannot be recorded it returns true: a message twice is
// better than no message.
func (o Options) claim(ctx context.Context, m history.Message) bool {
	claimed, err := o.Outbox.Claim(ctx, m, o.Now.Add(firstRetry))
	return claimed || err != nil
}

// try sends one message, and records the result even if the time is over.
func (o Options) try(ctx context.Context, r notify.Route, m history.Message) error {
	if ctx.Err() != nil {
		return fmt.Errorf("not sent within %v", total)
	}
	noting := context.WithoutCancel(ctx)
	if err := send(ctx, r, m); err != nil {
		if noted := o.Outbox.Failed(noting, m.ID, o.Now.Add(retry(m.Tries)), err.Error()); noted != nil {
			return fmt.Errorf("%w; and that could not be recorded: %w", err, noted)
		}
		return err
	}
	if err := o.Outbox.Delivered(noting, m.ID, o.Now); err != nil {
		return fmt.Errorf("sent, but that could not be recorded, so it will be sent again: %w", err)
	}
	return nil
}

func send(ctx context.Context, r notify.Route, m history.Message) error {
	var a notify.Alert
	if err := json.Unmarshal(m.Body, &a); err != nil {
		return fmt.Errorf("decode the alert: %w", err)
	}
	return sendOne(ctx, r, a)
}

// retry returns how long to wait after a try that failed; tries counts the tries
// before it.
func retry(tries int) time.Duration {
	return min(firstRetry<<min(max(tries, 0), 10), lastRetry)
}

// dropForeign removes messages to sinks that the configuration no longer names:
// they would wait for ever.
func (o Options) dropForeign(ctx context.Context, waiting []history.Message) (notices []Notice) {
	dropped := map[string]int{}
	for _, m := range waiting {
		if slices.ContainsFunc(o.Routes, func(r notify.Route) bool { return r.Name() == m.Sink }) {
			continue
		}
		if err := o.Outbox.Delivered(ctx, m.ID, o.Now); err != nil {
			return append(notices, Notice{m.Sink, "drop what waits for a sink that is no longer configured: " + err.Error()})
		}
		dropped[m.Sink]++
	}
	for _, sink := range slices.Sorted(maps.Keys(dropped)) {
		notices = append(notices, Notice{sink, fmt.Sprintf("the configuration no longer names it; dropped %d that waited", dropped[sink])})
	}
	return notices
}
