// Package ingest moves evidence from the broker to the archive of the hub. A message is
// acknowledged at the broker when it is on the archive's disk, and then the source is told so by a
// watermark.
//
// Start at [Run].
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/streams"
)

// Options are what to move, and where to.
type Options struct {
	Archive  *archive.Archive
	Conn     *nats.Conn
	Replicas int               // of the streams: 1 for one broker, 3 for a cluster
	Log      func(line string) // what goes wrong; not nil
	Now      func() time.Time
}

// Limits and paces.
const (
	batch        = 1000        // messages
	batchBytes   = 32 << 20    // of them, and one portion more
	portion      = 50          // messages that are asked for at first
	maxPortion   = 250         // and then, where they are small
	markEvery    = time.Second // a source gets its watermark at most this often
	wait         = 2 * time.Second
	retry        = 2 * time.Second // after something went wrong
	maxRetry     = 30 * time.Second
	streamsEvery = 5 * time.Second // whether the streams exist
	yield        = 100 * time.Millisecond
	maxYield     = 10 * time.Second
	lookEvery    = time.Minute // for what was not added to a memory
	ackTimeout   = 10 * time.Second
)

// Run moves evidence until the context ends. What goes wrong is logged and tried again.
func Run(ctx context.Context, o Options) error {
	js, err := jetstream.New(o.Conn)
	if err != nil {
		return fmt.Errorf("use the streams of the broker: %w", err)
	}
	r := &run{Options: o, js: js, marks: dirty{}, rows: dirty{}, wake: make(chan struct{}, 1)}
	o.Archive.Learn = func(ctx context.Context, s fleet.Source) error {
		_, err := r.learn(ctx, s)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.again(ctx, "move evidence", r.move) })
	g.Go(func() error { return r.again(ctx, "follow identities", r.follow) })
	g.Go(func() error { return r.again(ctx, "look after the streams", r.lookAfter) })
	g.Go(func() error { return r.again(ctx, "publish watermarks", r.publishMarks) })
	g.Go(func() error { return r.again(ctx, "add to the memories", r.apply) })
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type run struct {
	Options
	js jetstream.JetStream

	isBehind    atomic.Bool // more evidence waits than one batch
	mu          sync.Mutex
	marks, rows dirty
	wake        chan struct{} // there are rows
}

// dirty are sources for which something is to be done.
type dirty map[fleet.Source]bool

func (r *run) note(sources []fleet.Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range sources {
		r.marks[s], r.rows[s] = true, true
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take empties a set.
func (r *run) take(set dirty) (all []fleet.Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range set {
		all = append(all, s)
	}
	clear(set)
	return all
}

// again does work until the context ends. After an error it waits, each time longer.
func (r *run) again(ctx context.Context, what string, work func(context.Context) error) error {
	pause := retry
	for {
		began := r.Now()
		err := work(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.Now().Sub(began) > maxRetry {
			pause = retry
		}
		r.Log(fmt.Sprintf("%s: %v; tried again in %s", what, err, pause))
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, maxRetry)
	}
}

func sleep(ctx context.Context, d time.Duration) (ok bool) {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lookAfter makes the streams, and says again in them what they had: at the beginning, and
// when somebody deleted one.
func (r *run) lookAfter(ctx context.Context) error {
	for {
		if err := streams.Ensure(ctx, r.js, r.Replicas); err != nil {
			return err
		}
		if err := r.restore(ctx); err != nil {
			return err
		}
		for exists := true; exists; {
			if !sleep(ctx, streamsEvery) {
				return ctx.Err()
			}
			for _, name := range []string{streams.Evidence, streams.Fleet} {
				if _, err := r.js.Stream(ctx, name); err != nil {
					exists = false
				}
			}
		}
	}
}

// move takes envelopes from the stream until something goes wrong.
func (r *run) move(ctx context.Context) error {
	c, err := r.js.Consumer(ctx, streams.Evidence, streams.Archive)
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	for ctx.Err() == nil {
		messages, isMore, err := fetch(ctx, c)
		if err != nil {
			return err
		}
		r.isBehind.Store(isMore)
		if len(messages) == 0 {
			continue
		}
		if err := r.keep(ctx, messages); err != nil {
			for _, m := range messages {
				_ = m.NakWithDelay(retry) // else it comes again only after a while
			}
			return err
		}
	}
	return ctx.Err()
}

// fetch returns what waits, as much as is kept at once, and after a while nothing. isMore
// reports whether more may wait.
func fetch(ctx context.Context, c jetstream.Consumer) (all []jetstream.Msg, isMore bool, err error) {
	size, ask := 0, portion
	for len(all) < batch && size < batchBytes {
		got, err := some(c.FetchNoWait(ask))
		for _, m := range got {
			size += len(m.Data())
		}
		if all = append(all, got...); err != nil {
			return all, false, err
		}
		if len(got) < ask {
			break
		}
		isMore = len(all) >= batch || size >= batchBytes
		ask = min(max(batchBytes/(size/len(all)+1), 1), maxPortion)
	}
	if len(all) == 0 {
		all, err = some(c.Fetch(1, jetstream.FetchMaxWait(wait)))
	}
	if err != nil && ctx.Err() == nil {
		return all, false, err
	}
	return all, isMore, nil
}

func some(b jetstream.MessageBatch, err error) (got []jetstream.Msg, _ error) {
	if err == nil {
		for m := range b.Messages() {
			got = append(got, m)
		}
		err = b.Error()
	}
	if err != nil {
		return got, fmt.Errorf("read evidence: %w", err)
	}
	return got, nil
}

// keep puts messages into the archive, and acknowledges them.
func (r *run) keep(ctx context.Context, messages []jetstream.Msg) error {
	list := make([]archive.Received, len(messages))
	for i, m := range messages {
		at := r.Now()
		if meta, err := m.Metadata(); err == nil {
			at = meta.Timestamp
		}
		list[i] = archive.Received{Subject: m.Subject(), Data: m.Data(), At: at}
	}
	sources, err := r.Archive.Take(ctx, list)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := m.Ack(); err != nil {
			return fmt.Errorf("acknowledge evidence: %w", err)
		}
	}
	r.note(sources)
	return nil
}

// apply adds rows to the memories as they come, and looks now and then for what was left. While
// much evidence waits, that comes first. What is wrong with one chain is logged, and delays no
// other; it is tried again with all that was left.
func (r *run) apply(ctx context.Context) error {
	for more := true; ; {
		for waited := time.Duration(0); r.isBehind.Load() && waited < maxYield; waited += yield {
			if !sleep(ctx, yield) {
				return ctx.Err()
			}
		}
		var sources []fleet.Source // nil: all
		if !more {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lookEvery):
			case <-r.wake:
				if sources = r.take(r.rows); len(sources) == 0 {
					continue
				}
			}
		}
		var err error
		if more, err = r.Archive.Apply(ctx, r.Now(), sources...); err != nil && ctx.Err() == nil {
			r.Log(fmt.Sprintf("add to the memories: %v; tried again within %s", err, lookEvery))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
