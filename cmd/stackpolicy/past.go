package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide/policy"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/report/daily"
)

func (a *app) lastStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell the last audit's verdict, without auditing again",
		Long: `Tells what the last audit found, with its age, and the worst of what stands. The
exit status is that audit's; 3 when there was none, or when it is too old to
tell anything of now.`,
		Args: cobra.NoArgs,
	}
	format := output(cmd, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		st, err := a.readStatus(cmd.Context())
		if err != nil {
			return err
		}
		a.status = st.ExitCode()
		if format.name == "json" {
			return daily.WriteStatusJSON(cmd.OutOrStdout(), st)
		}
		return daily.WriteStatus(cmd.OutOrStdout(), st)
	}
	return cmd
}

// readStatus is the last audit's; without a memory it is that there was none.
func (a *app) readStatus(ctx context.Context) (daily.Status, error) {
	steps := a.stepsInForce(ctx)
	store, err := openPast(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return daily.Status{Now: time.Now(), Steps: steps}, nil
	}
	if err != nil {
		return daily.Status{}, err
	}
	defer store.Close()
	st, err := daily.ReadStatus(ctx, store, time.Now())
	st.Steps = steps
	return st, err
}

func (a *app) history() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Tell what earlier audits saw and did",
		Args:  cobra.NoArgs,
	}
	since := sinceFlag(cmd, "168h")
	format := output(cmd, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		store, err := openPast(cmd.Context())
		if err != nil {
			return noPast(err)
		}
		defer store.Close()
		now := time.Now()
		l, err := daily.ReadLog(cmd.Context(), store, now.Add(-since.d), now)
		if err != nil {
			return err
		}
		if format.name == "json" {
			return daily.WriteLogJSON(cmd.OutOrStdout(), l)
		}
		return daily.WriteLog(cmd.OutOrStdout(), l)
	}
	return cmd
}

func (a *app) report() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write the daily report: every unit's state over time, heals, waivers",
		Long: `Writes what audits saw and did as one page: each unit's state over time, the
files that define it, what stands and what to do, what was healed, what keeps
coming back, what is waived, how long alerts took, and how often systemd said
that a stack was active while it was not up. Audits nothing.`,
		Example: "  stackpolicy report --since 7d --file ~/stackpolicy.html",
		Args:    cobra.NoArgs,
	}
	since := sinceFlag(cmd, "24h")
	format := output(cmd, "html", "text")
	cmd.Flags().StringVar(&file, "file", "", "write to this file, whole or not at all, instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		m, err := a.model(cmd.Context(), since.d)
		if err != nil {
			return err
		}
		write := func(w io.Writer) error {
			if format.name == "text" {
				return daily.WriteText(w, m)
			}
			return daily.WriteHTML(w, m)
		}
		if file == "" {
			return write(cmd.OutOrStdout())
		}
		if err := atomicfile.Write(file, 0o600, write); err != nil {
			return fmt.Errorf("write the report %s: %w", file, err)
		}
		return nil
	}
	return cmd
}

func (a *app) model(ctx context.Context, since time.Duration) (daily.Model, error) {
	now := time.Now()
	store, err := openPast(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return daily.Build(daily.Input{Now: now, Since: now.Add(-since)}), nil // it says that nothing was seen
	}
	if err != nil {
		return daily.Model{}, err
	}
	defer store.Close()
	in, err := daily.Read(ctx, store, store, now.Add(-since), now)
	if err != nil {
		return daily.Model{}, err
	}
	if in.FirstSent, err = store.FirstSent(ctx, now.Add(-since)); err != nil {
		return daily.Model{}, err
	}
	in.Steps, in.Class = a.stepsInForce(ctx), a.classInForce(ctx)
	return daily.Build(in), nil
}

// stepsInForce are those of the policies in force; none where they cannot be
// loaded, as what was seen in the past can be told without them.
func (a *app) stepsInForce(ctx context.Context) func(finding.Finding) []string {
	return steps(a.invariantsInForce(ctx))
}

func (a *app) classInForce(ctx context.Context) func(string) finding.Class {
	invariants := a.invariantsInForce(ctx)
	return func(id string) finding.Class {
		for _, i := range invariants {
			if i.ID == id {
				return i.Class
			}
		}
		return ""
	}
}

func (a *app) invariantsInForce(ctx context.Context) []policy.Invariant {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil
	}
	p, err := a.loadPolicies(ctx, c)
	if err != nil {
		return nil
	}
	return p.Invariants()
}

func resetBreaker() *cobra.Command {
	return &cobra.Command{
		Use:   "reset-breaker UNIT|host…",
		Short: "Let a unit be healed again, whose breaker is open",
		Long: `A breaker opens when heals of a unit fail, or are asked for too often, and holds
further ones back for a while (settings: breaker). This closes it, and what was
done until now counts to no budget any more. Mend first what it was opened for.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, subjects []string) error {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			env, err := collect.OfProcess(c)
			if err != nil {
				return err
			}
			return closeBreakers(cmd, env, subjects)
		},
	}
}

func closeBreakers(cmd *cobra.Command, env collect.Environment, subjects []string) error {
	ctx, now := cmd.Context(), time.Now()
	store, err := history.Open(ctx, env.StateHome, now)
	if err != nil {
		return err
	}
	defer store.Close()
	memory, err := store.Recall(ctx, now)
	if err != nil {
		return err
	}
	for _, s := range subjects {
		if memory.Subjects[s].Breaker == nil && memory.Subjects[s+".service"].Breaker != nil {
			s += ".service"
		}
		if memory.Subjects[s].Breaker == nil {
			return fmt.Errorf("no breaker of %q is open", s)
		}
		if err := store.CloseBreaker(ctx, s, now); err != nil {
			return err
		}
	}
	return nil
}

// openPast opens the memory to read it.
func openPast(ctx context.Context) (*history.Store, error) {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return nil, err
	}
	return history.OpenReadOnly(ctx, env.StateHome)
}

func noPast(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("no audit was made yet: run stackpolicy eval, or enable stackpolicy-audit.timer")
	}
	return err
}

// choice is a flag that names one of several formats, the first by default.
type choice struct {
	name  string
	known []string
}

func output(cmd *cobra.Command, known ...string) *choice {
	c := &choice{known: known}
	cmd.Flags().StringVarP(&c.name, "output", "o", known[0], "how to write it: "+strings.Join(known, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (c *choice) check() error {
	for _, k := range c.known {
		if c.name == k {
			return nil
		}
	}
	return fmt.Errorf("unknown output format %q; there are: %s", c.name, strings.Join(c.known, ", "))
}

// ago is a flag that says how far back: a Go duration, or days as in 7d.
type ago struct{ d time.Duration }

func sinceFlag(cmd *cobra.Command, usual string) *ago {
	a := &ago{}
	_ = a.Set(usual)
	cmd.Flags().Var(a, "since", "how far back, such as 90m, 24h or 7d")
	return a
}

func (a *ago) String() string { return a.d.String() }
func (a *ago) Type() string   { return "duration" }

func (a *ago) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return errors.New("want a time such as 90m, 24h or 7d")
	}
	a.d = d
	return nil
}
