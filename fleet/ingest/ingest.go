// Package ingest moves evidence from the broker to the archive of the hub. A message is deleted
// at the broker when it is on the archive's disk, and then a watermark says so to the source.
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
	markEvery    = time.Second     // a source gets its watermark at most this often
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
	o.Archive.IsBusy = r.isBusy
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

	busyUntil   atomic.Int64 // much evidence comes; nanoseconds since 1970
	mu          sync.Mutex
	marks, rows dirty
	wake        chan struct{} // there are rows
}

func (r *run) isBusy() bool { return r.Now().UnixNano() < r.busyUntil.Load() }

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

// apply adds rows to the memories as they come, and looks now and then for what was left. While
// much evidence comes, that goes first. What is wrong with one chain is logged, and delays no
// other; it is tried again with all that was left.
func (r *run) apply(ctx context.Context) error {
	for more := true; ; {
		for waited := time.Duration(0); r.isBusy() && waited < maxYield; waited += yield {
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
