package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/report/daily"
	"stackpolicy/report/timeline"
)

func reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write the daily report: every unit over time, heals, waivers",
		Long: `Writes what audits saw and did: the state of each unit over time, the files that
define it, open findings and what to do about them, heals, findings that return,
waivers, how long alerts took, and how often systemd called a stack active that
was not up. It does not audit.`,
		Example: "  stackpolicy report --since 7d --file ~/stackpolicy.html",
		Args:    cobra.NoArgs,
	}
	since := cli.SinceFlag(cmd, "24h")
	format := cli.OutputFlag(cmd, daily.Formats())
	cmd.Flag("output").Usage += "; on a terminal text"
	file := cmd.Flags().String("file", "-", "write to this file, atomically; - is standard output")
	_ = cmd.MarkFlagFilename("file", "html", "txt")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := dailyReport(cmd.Context(), new(policySource).inForce(cmd.Context()), time.Duration(*since))
		if err != nil {
			return err
		}
		if *file == "-" {
			if cli.Terminal(cmd.OutOrStdout()) && !cmd.Flags().Changed("output") {
				_ = format.Set("text") // it is one of the formats
			}
			return format.Write(cmd.OutOrStdout(), m)
		}
		err = atomicfile.Write(*file, 0o600, func(w io.Writer) error { return format.Write(w, m) })
		if err != nil {
			return fmt.Errorf("write the report %s: %w", *file, err)
		}
		return nil
	}
	return cmd
}

// dailyReport builds the report from the history. If there is none, the report says
// that there was no audit.
func dailyReport(ctx context.Context, invariants invariants, since time.Duration) (daily.Model, error) {
	now := time.Now()
	store, err := openHistory(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return daily.Build(daily.Input{Record: timeline.Record{Now: now, Since: now.Add(-since)}, Version: cli.Version()}), nil
	}
	if err != nil {
		return daily.Model{}, err
	}
	defer store.Close()
	r, err := timeline.Read(ctx, store, store, now.Add(-since), now)
	if err != nil {
		return daily.Model{}, err
	}
	if r.FirstSent, err = store.FirstSent(ctx, now.Add(-since)); err != nil {
		return daily.Model{}, err
	}
	r.Class = invariants.class
	return daily.Build(daily.Input{Record: r, Steps: invariants.steps, Version: cli.Version()}), nil
}
