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

// NoMemory replaces a memory of audits that does not exist, or that could not be opened:
// then Err is the reason.
type NoMemory struct{ Err error }

// Recall returns an empty memory, or Err.
func (m NoMemory) Recall(_ context.Context, now time.Time) (facts.Memory, error) {
	return facts.Memory{Since: now, Subjects: map[string]facts.History{}}, m.Err
}

// Recall opens the memory read-only. If it does not exist yet it is empty. Call done
// when it is no longer needed.
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
