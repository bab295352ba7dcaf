package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/replay"
	"stackpolicy/report"
	"stackpolicy/report/daily"
)

func impactCommand(status *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "impact",
		Short: "Say what other rules or settings would have changed",
		Long: `Decides the recorded audits with the rules of --policy or the settings of
--settings, and says what would have been different: findings that come, go, or
change in effect or severity; alerts about new findings; and actions, by the real
guards, budgets and breakers. It is exact up to the first action that differs; from there on
it is a guess. Nothing is collected and nothing is changed.

Exit status:
  0  nothing would have been different
  1  something would have been
  3  it could not be told`,
		Example: `  stackpolicy impact --policy ./rules
  stackpolicy impact --settings ./settings.yaml --since 7d
  stackpolicy impact --policy ./rules --facts ./documents`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	settings := cmd.Flags().String("settings", "", "settings.yaml to use instead of that of the rules")
	memory := cmd.Flags().String("memory", "", "history.db to read instead of this account's, such as another host's")
	documents := cmd.Flags().String("facts", "", "folder of facts documents to decide instead, of any time without --since")
	since := cli.SinceFlag(cmd, "30d")
	cmd.MarkFlagsMutuallyExclusive("memory", "facts")
	_ = cmd.MarkFlagDirname("facts")
	_ = cmd.MarkFlagFilename("memory", "db")
	_ = cmd.MarkFlagFilename("settings", "yaml")
	format := cli.OutputFlag(cmd, daily.ImpactFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from := recordingSource{memory: *memory, documents: *documents, since: time.Now().Add(-time.Duration(*since))}
		if from.documents != "" && !cmd.Flags().Changed("since") {
			from.since = time.Time{}
		}
		collectSeldom()
		i, err := impactOf(cmd, source, *settings, from, format.String() == "html")
		if err != nil {
			return err
		}
		switch {
		case !i.IsNone():
			*status = finding.LevelWarning.ExitCode()
		case len(i.Unknown) > 0 || i.Audits == 0:
			*status = finding.LevelUnknown.ExitCode()
		}
		w := cmd.OutOrStdout()
		return format.Write(w, report.Impact{Impact: i, Options: options(w)})
	}
	return cmd
}

// impactOf compares the policies in use with those of the flags, on a recording.
func impactOf(cmd *cobra.Command, source policySource, settings string, from recordingSource, strips bool) (i replay.Impact, err error) {
	ctx := cmd.Context()
	c, err := cli.ReadConfig()
	if err != nil {
		return i, err
	}
	recording, closed, err := from.open(ctx)
	if err != nil {
		return i, err
	}
	defer closed()
	shared := decide.NewMemory()
	before, err := cli.LoadInUse(ctx, "", c, shared)
	if err != nil {
		return i, err
	}
	after, err := cli.OtherPolicies(ctx, cli.PolicyDir(source.policyDir, c), settings, shared)
	if err != nil {
		return i, err
	}
	o := replay.Options{Since: from.since, Load: cli.LoadKept(shared), Strips: strips, Progress: cli.Progress(cmd.ErrOrStderr(), "audits")}
	if from.documents != "" { // nothing decided then
		o.Present, o.Apart = before, true
	}
	return replay.Compare(ctx, recording, before, after, o)
}

// recordingSource says what a command decides again.
type recordingSource struct {
	memory    string // value of --memory; "" is this account's history
	documents string // value of --facts; "" is a history
	since     time.Time
}

// open opens the recording, read-only.
func (r recordingSource) open(ctx context.Context) (from replay.Recording, closed func(), err error) {
	if r.documents != "" {
		from, err = replay.OpenFolder(ctx, r.documents)
		return from, func() {}, err
	}
	store, err := openRecording(ctx, r.memory)
	if err != nil {
		return nil, nil, err
	}
	return replay.Of(store), func() { store.Close() }, nil
}

// openRecording opens a history read-only: that of a file, or this account's for "".
func openRecording(ctx context.Context, path string) (*history.Store, error) {
	if path != "" {
		return history.OpenFile(ctx, path)
	}
	store, err := openHistory(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there was no audit yet: run stackpolicy eval, or enable stackpolicy-audit.timer")
	}
	return store, err
}
