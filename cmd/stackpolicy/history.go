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

func historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what earlier audits saw and did",
		Long: `Lists what changed, the newest first: verdicts, findings that appeared or were
resolved, actions, and pauses without an audit.`,
		Args: cobra.NoArgs,
	}
	since := cli.SinceFlag(cmd, "7d")
	format := cli.OutputFlag(cmd, daily.LogFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := log(cmd.Context(), time.Duration(*since))
		if err != nil {
			return err
		}
		return format.Write(cmd.OutOrStdout(), l)
	}
	return cmd
}

func log(ctx context.Context, since time.Duration) (daily.Log, error) {
	store, err := openHistory(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return daily.Log{}, errors.New("there was no audit yet: run stackpolicy eval, or enable stackpolicy-audit.timer")
	}
	if err != nil {
		return daily.Log{}, err
	}
	defer store.Close()
	now := time.Now()
	return daily.ReadLog(ctx, store, now.Add(-since), now)
}

// openHistory opens the history read-only.
func openHistory(ctx context.Context) (*history.Store, error) {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return nil, err
	}
	return history.OpenReadOnly(ctx, env.StateHome)
}
