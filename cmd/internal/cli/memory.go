package cli

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
)

// NoMemory stands where there is no memory of audits: it has nothing to tell,
// or Err says why it cannot.
type NoMemory struct{ Err error }

// Recall is empty.
func (m NoMemory) Recall(_ context.Context, now time.Time) (facts.Memory, error) {
	return facts.Memory{Since: now, Subjects: map[string]facts.History{}}, m.Err
}

// Recall is the memory for one who only looks; one that was never begun is
// empty. Call done when it is needed no more.
func Recall(ctx context.Context, env collect.Environment) (memory collect.Rememberer, done func()) {
	store, err := history.OpenReadOnly(ctx, env.StateHome)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return NoMemory{}, func() {}
	case err != nil:
		return NoMemory{err}, func() {}
	}
	return store, func() { _ = store.Close() }
}
