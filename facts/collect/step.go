package collect

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/facts"
)

// run is a collection in progress: the document, and which collectors failed.
type run struct {
	now    func() time.Time
	doc    *facts.Document
	failed map[string]error // by the collector's name
}

func newRun(env Environment, doc *facts.Document) *run {
	return &run{now: env.Now, doc: doc, failed: map[string]error{}}
}

func newDocument(now time.Time) *facts.Document {
	return &facts.Document{
		Schema: facts.Schema, CollectedAt: now.UTC(), Collectors: map[string]facts.CollectorStatus{}, Units: []facts.Unit{},
	}
}

// result is what a collector found.
type result interface {
	fill(*facts.Document)
}

// step runs one collector, fills its result into the document and returns it; the zero value
// if it failed. A collector is abandoned at its limit, because a read from a dead network
// file system cannot be cancelled. Its result is then dropped, so that it cannot change
// anything afterwards.
func step[R result](ctx context.Context, r *run, row collector, collect func(context.Context) (R, error)) R {
	start := r.now()
	found, err := attempt(ctx, r, row, collect)
	status := facts.CollectorStatus{OK: err == nil, DurationMS: r.now().Sub(start).Milliseconds(), LimitMS: row.limit.Milliseconds()}
	if err != nil {
		status.Error, r.failed[row.name] = err.Error(), err
	} else {
		found.fill(r.doc)
	}
	r.doc.Collectors[row.name] = status
	return found
}

// attempt returns the zero value with each error.
func attempt[R result](ctx context.Context, r *run, row collector, collect func(context.Context) (R, error)) (none R, err error) {
	if err := r.needs(row.needs...); err != nil {
		return none, err
	}
	limited, cancel := context.WithTimeout(ctx, row.limit)
	defer cancel()
	found, err := await(limited, begin(limited, row.limit, collect))
	if limited.Err() != nil {
		return none, fmt.Errorf("no answer within %s", row.limit)
	}
	if err != nil {
		return none, err
	}
	return found, nil
}

// needs returns an error if a collector failed whose result is needed.
func (r *run) needs(names ...string) error {
	for _, n := range names {
		if err := r.failed[n]; err != nil {
			return fmt.Errorf("rests on the %s collector: %w", n, err)
		}
	}
	return nil
}

// answer is the result of a task that was started.
type answer[T any] struct {
	result T
	err    error
}

// begin starts a task; a collector waits for its answer.
func begin[T any](ctx context.Context, limit time.Duration, work func(context.Context) (T, error)) <-chan answer[T] {
	answers := make(chan answer[T], 1)
	go func() {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		result, err := work(limited)
		answers <- answer[T]{result, err}
	}()
	return answers
}

// await waits for the answer of a task, until ctx ends.
func await[T any](ctx context.Context, answers <-chan answer[T]) (result T, err error) {
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		return result, ctx.Err()
	}
}
