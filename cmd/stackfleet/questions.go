package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/questions"
	"stackpolicy/internal/text"
	"stackpolicy/report/fleet"
)

// patience is how long an answer may take. One shard of a large fleet takes minutes.
const patience = 10 * time.Minute

func (a *app) impactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "impact",
		Short: "Say what other rules would have changed at all hosts",
		Long: `Decides the audits that the archive has of every host with the rules of --policy, as
"stackpolicy impact" does on one host, and adds the answers up. Nothing is changed.
This process and every "stackfleet worker" share the work.

Exit status:
  0  nothing would have been different
  1  something would have been
  3  it could not be told`,
		Example: "  stackfleet impact --policy ./rules --since 30d",
		Args:    cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	dir := cmd.Flags().String("policy", "", "`FOLDER` of rules, or of a layer over the built-in ones")
	settings := cmd.Flags().String("settings", "", "settings.yaml to use instead of that of the rules, a `FILE`")
	since := cli.SinceFlag(cmd, "30d")
	asks := asking{}
	asks.flags(cmd)
	_ = cmd.MarkFlagDirname("policy")
	_ = cmd.MarkFlagFilename("settings", "yaml")
	cmd.MarkFlagsOneRequired("policy", "settings")
	format := cli.OutputFlag(cmd, fleet.ImpactFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		rules, err := cli.OtherPolicies(cmd.Context(), *dir, *settings, nil)
		if err != nil {
			return err
		}
		job := questions.Job{Since: time.Now().Add(-time.Duration(*since)), Rules: rules.Source().Files}
		var i questions.Impact
		err = asks.run(a, cmd, func(ctx context.Context, q questions.Asking) (err error) {
			i, err = q.Impact(ctx, job)
			return err
		})
		if err != nil {
			return err
		}
		a.status = statusOfImpact(i)
		return format.Write(cmd.OutOrStdout(), i)
	}
	return cmd
}

func statusOfImpact(i questions.Impact) int {
	switch {
	case !i.IsNone():
		return finding.LevelWarning.ExitCode()
	case i.Unknown > 0 || i.Audits == 0 || i.Sources < len(i.Each):
		return finding.LevelUnknown.ExitCode()
	}
	return 0
}

func (a *app) askCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ask QUERY",
		Short: "Ask a Rego query of the newest facts of every host",
		Long: `Asks a query in Rego of the newest document that the archive has of every host and
account: its facts, as "stackpolicy facts" prints them, are the input.

Exit status:
  0  every source was asked
  3  one could not be asked`,
		Example: `  stackfleet ask 'input.host.os'
  stackfleet ask 'some u in input.units; u.loaded.restarts > 3; name := u.name'`,
		Args: cli.Takes("QUERY"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	asks := asking{}
	asks.flags(cmd)
	format := cli.OutputFlag(cmd, fleet.AnswerFormats())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := questions.CheckQuery(cmd.Context(), args[0]); err != nil {
			return err
		}
		var all questions.Answers
		err := asks.run(a, cmd, func(ctx context.Context, q questions.Asking) (err error) {
			all, err = q.Query(ctx, questions.Job{Query: args[0]})
			return err
		})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all.Each, func(x questions.SourceAnswer) bool { return x.Error != "" }) {
			a.status = finding.LevelUnknown.ExitCode()
		}
		return format.Write(cmd.OutOrStdout(), all)
	}
	return cmd
}

// asking is how a question is asked.
type asking struct{ onlyAsks bool }

func (x *asking) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.onlyAsks, "only-ask", false, "leave all of the work to stackfleet worker")
}

// run asks, and works meanwhile.
func (x *asking) run(a *app, cmd *cobra.Command, ask func(context.Context, questions.Asking) error) error {
	h, c, js, err := a.reach(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	enrolled, err := h.registry(js).List(cmd.Context())
	if err != nil {
		return err
	}
	work, done := context.WithCancel(cmd.Context())
	group, ctx := errgroup.WithContext(work)
	if !x.onlyAsks {
		group.Go(func() error { return h.work(ctx, js, cmd.ErrOrStderr()) })
	}
	group.Go(func() error {
		defer done()
		return ask(ctx, questions.Asking{
			JetStream: js, Patience: patience, Enrolled: enrolled, Progress: cli.Progress(cmd.ErrOrStderr(), "shards"),
		})
	})
	return group.Wait()
}

func (a *app) workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Work on questions that are asked about the fleet",
		Long: `Takes parts of the questions of "stackfleet impact" and "stackfleet ask" until a signal
ends it, and answers them from the archive in the hub's folder. A worker uses one
processor, and two need about half the time of one. Rules run in a process of their
own, which has neither files nor a network.`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, c, js, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			a.endsBySignal = true
			runtime.GOMAXPROCS(1) // others are for other workers; its rules' process has the same
			if err := h.work(cmd.Context(), js, cmd.ErrOrStderr()); cmd.Context().Err() == nil {
				return err
			}
			return nil
		},
	}
}

// Deciding many documents makes much garbage: it is collected less often, until there is so
// much of it.
const (
	workGCPercent = 400
	workMemory    = 400 << 20
)

// work answers questions until the context ends. What the environment says of the limit of
// memory (GOMEMLIMIT) holds if that is lower.
func (h *hub) work(ctx context.Context, js jetstream.JetStream, errs io.Writer) error {
	debug.SetGCPercent(workGCPercent)
	if debug.SetMemoryLimit(-1) > workMemory {
		debug.SetMemoryLimit(workMemory)
	}
	store := archive.OpenReadOnly(h.data, h.keys.Registry.Public())
	defer store.Close()
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return questions.Work(ctx, questions.Worker{
		Archive: store, JetStream: js, Name: fmt.Sprintf("%s %d", host, os.Getpid()),
		Load: func(ctx context.Context, files []policy.File, m decide.Memory) (*decide.Policies, error) {
			return confined.LoadSource(ctx, policy.Source{Files: files}, decide.Options{Memory: m, Program: cli.Program()})
		},
		Present: func(ctx context.Context, m decide.Memory) (*decide.Policies, error) {
			return cli.LoadPolicies(ctx, "", m)
		},
		Log: func(line string) { fmt.Fprintf(errs, "stackfleet: worker: %s\n", text.Clean(line)) },
	})
}
