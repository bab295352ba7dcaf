package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts"
	"stackpolicy/history"
)

// How long and how much is remembered.
const (
	keep     = 400 * 24 * time.Hour // a year and a month, to compare with last year's
	maxBytes = 50 << 20
)

// noMemory stands where there is no memory: nothing to tell, or why not.
type noMemory struct{ err error }

func (m noMemory) Recall(_ context.Context, now time.Time) (facts.Memory, error) {
	return facts.Memory{Since: now, Subjects: map[string]facts.History{}}, m.err
}

// recall is the memory for one who only looks; one that was never begun is
// empty.
func recall(ctx context.Context, env facts.Environment) (facts.Rememberer, func()) {
	store, err := history.OpenReadOnly(ctx, env.StateHome)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noMemory{}, func() {}
	case err != nil:
		return noMemory{err}, func() {}
	}
	return store, func() { _ = store.Close() }
}

// remembering opens the memory for an audit of the live system: in the
// snapshot's environment, and to record in. An audit whose memory cannot be
// opened goes on without it, and says so as a gap.
func (a *app) remembering(cmd *cobra.Command, run *audit.Audit, env *facts.Environment) (*history.Store, func()) {
	if a.factsFile != "" {
		return nil, func() {}
	}
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	store, err := history.Open(ctx, env.StateHome, time.Now())
	if err != nil {
		env.Memory = noMemory{err}
		return nil, func() {}
	}
	if notice := store.Notice(); notice != "" {
		run.Manager = nil // what was done before is not known, so nothing is done now
		fmt.Fprintf(errs, "stackpolicy: %s; nothing is healed in this audit\n", cli.CleanLines(notice))
	}
	env.Memory, run.Store = store, store
	return store, func() {
		if err := errors.Join(store.Prune(context.WithoutCancel(ctx), time.Now(), keep, maxBytes), store.Close()); err != nil {
			fmt.Fprintf(errs, "stackpolicy: the memory of audits: %s\n", cli.CleanLines(err.Error()))
		}
	}
}
