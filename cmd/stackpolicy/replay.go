package main

import (
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/finding"
	"stackpolicy/replay"
	"stackpolicy/report"
)

func replayCommand(status *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Decide recorded audits again, and say where the result differs",
		Long: `Decides the audits that were recorded again, from the facts that were recorded,
with the rules and settings that decided then, or the present ones with --present.
Nothing is collected and nothing is changed.

Exit status:
  0  all give the same, to the byte
  1  some give something else
  3  none does, but some could not be decided again`,
		Args: cobra.NoArgs,
	}
	since := cli.SinceFlag(cmd, "30d")
	present := cmd.Flags().Bool("present", false, "decide with the present rules and settings instead of those of then")
	format := cli.OutputFlag(cmd, report.ReplayFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		collectSeldom()
		ctx := cmd.Context()
		store, err := openRecording(ctx, "")
		if err != nil {
			return err
		}
		defer store.Close()
		o := replay.Options{Since: time.Now().Add(-time.Duration(*since)), Load: cli.LoadKept(decide.NewMemory()), Progress: cli.Progress(cmd.ErrOrStderr(), "audits")}
		if *present {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			if o.Present, err = cli.LoadInUse(ctx, "", c, decide.NewMemory()); err != nil {
				return err
			}
		}
		r, err := replay.Run(ctx, replay.Of(store), o)
		if err != nil {
			return err
		}
		switch {
		case len(r.Differences) > 0:
			*status = finding.LevelWarning.ExitCode()
		case len(r.Unknown) > 0 || r.Audits == 0:
			*status = finding.LevelUnknown.ExitCode()
		}
		w := cmd.OutOrStdout()
		return format.Write(w, report.Replayed{Result: r, Options: options(w)})
	}
	return cmd
}

// Deciding many documents makes much garbage: it is collected less often, until there is so
// much of it.
const (
	replayGCPercent = 400
	replayMemory    = 150 << 20
)

// collectSeldom sets the garbage collector for many documents. What the environment says of
// its limit (GOMEMLIMIT) holds if that is lower.
func collectSeldom() {
	debug.SetGCPercent(replayGCPercent)
	if debug.SetMemoryLimit(-1) > replayMemory {
		debug.SetMemoryLimit(replayMemory)
	}
}
