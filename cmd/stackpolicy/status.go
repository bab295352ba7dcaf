package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/report/daily"
)

func statusCommand(exit *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the last audit's verdict, without a new audit",
		Long: `Shows what the last audit found, how long ago that was, and the worst findings
that are open; of a member of a fleet also what the hub has, and what waits to be
sent. The exit status is that audit's. It is 3 if there was no audit, or if the
last one is too old to say anything about now.`,
		Args: cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd, daily.StatusFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, err := lastStatus(cmd.Context(), new(policySource).inForce(cmd.Context()))
		if err != nil {
			return err
		}
		*exit = st.ExitCode()
		return format.Write(cmd.OutOrStdout(), st)
	}
	return cmd
}

// lastStatus reads the last audit's verdict. Without a history there was no audit.
func lastStatus(ctx context.Context, invariants invariants) (daily.Status, error) {
	now := time.Now()
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return daily.Status{}, err
	}
	store, err := history.OpenReadOnly(ctx, env.StateHome)
	if errors.Is(err, fs.ErrNotExist) {
		return daily.Status{Now: now, Member: memberOf(ctx, env.StateHome, nil)}, nil
	}
	if err != nil {
		return daily.Status{}, err
	}
	defer store.Close()
	st, err := daily.ReadStatus(ctx, store, now)
	st.Steps, st.Member = invariants.steps, memberOf(ctx, env.StateHome, store)
	return st, err
}
