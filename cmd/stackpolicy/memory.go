package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// How long and how much is remembered.
const (
	keep     = 400 * 24 * time.Hour // a year and a month, to compare with last year's
	maxBytes = 50 << 20
)

// remembering opens the memory for an audit of the live system: in the
// snapshot's environment, and to record in. An audit whose memory cannot be
// opened goes on without it, and says so as a gap.
func (a *app) remembering(cmd *cobra.Command, run *audit.Audit, env *collect.Environment) (*history.Store, func()) {
	if a.factsFile != "" {
		return nil, func() {}
	}
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	store, err := history.Open(ctx, env.StateHome, time.Now())
	if err != nil {
		env.Memory = cli.NoMemory{Err: err}
		return nil, func() {}
	}
	if notice := store.Notice(); notice != "" {
		run.Manager = nil // what was done before is not known, so nothing is done now
		fmt.Fprintf(errs, "stackpolicy: %s; nothing is healed in this audit\n", text.CleanBlock(notice))
	}
	env.Memory, run.Store = store, store
	return store, func() {
		if err := errors.Join(store.Prune(context.WithoutCancel(ctx), time.Now(), keep, maxBytes), store.Close()); err != nil {
			fmt.Fprintf(errs, "stackpolicy: the memory of audits: %s\n", text.CleanBlock(err.Error()))
		}
	}
}
