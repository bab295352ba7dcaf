package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/internal/systemd"
	"stackpolicy/report"
)

func (a *app) eval() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "eval [UNIT…]",
		Short: "Audit every managed unit, or the named ones",
		Long: `Audits every managed unit, or only the named ones ("host" names what is about
no single unit). Facts are always collected for all of them: a reload concerns
every unit. Without --enforce nothing is changed, and the plan is shown.
` + exitStatus,
		Example: `  stackpolicy eval
  stackpolicy eval web.service --enforce
  stackpolicy facts > facts.json
  stackpolicy eval --facts facts.json --policy ./rules`,
		ValidArgsFunction: a.completeUnits,
	}
	a.policyFlag(cmd)
	a.factsFlag(cmd)
	enforcing := cmd.Flags().Bool("enforce", false, "run the safe heals (default: what config.yaml says under mode)")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "how to write the report: "+formatNames())
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names(report.Formats()), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, units []string) error {
		f, err := report.FormatNamed(format)
		if err != nil {
			return err
		}
		var asked *bool
		if cmd.Flags().Changed("enforce") {
			asked = enforcing
		}
		r, policies, err := a.audit(cmd, units, asked)
		if err != nil {
			a.couldNotBegin(cmd.Context(), units, err, cmd.ErrOrStderr())
			return err
		}
		a.status = r.ExitCode
		o := options(cmd.OutOrStdout(), policies)
		o.Around.User = userName()
		return f.Write(cmd.OutOrStdout(), r, o)
	}
	return cmd
}

// audit runs one audit; asked is what the flag says of enforcing, nil when it
// was not given.
func (a *app) audit(cmd *cobra.Command, units []string, asked *bool) (*audit.Report, *decide.Policies, error) {
	ctx := cmd.Context()
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, nil, err
	}
	env, err := collect.OfProcess(c)
	if err != nil {
		return nil, nil, err
	}
	routes, err := routes(c)
	if err != nil {
		return nil, nil, err
	}
	run := audit.Audit{Units: units}
	release, err := a.enforcing(&run, c, env, asked)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	store, done := a.remembering(cmd, &run, &env)
	defer done()
	loaded := beside(func() (*decide.Policies, error) { return a.loadPolicies(ctx, c) })
	unreadable := a.look(ctx, &run, cmd.InOrStdin(), env)
	if run.Policies, err = loaded(); cmp.Or(err, unreadable) != nil {
		return nil, nil, cmp.Or(err, unreadable)
	}
	begin := time.Now()
	r, err := run.Run(ctx)
	if err == nil && store != nil && len(units) == 0 {
		t := telling{store: store, routes: routes, env: env, report: r, policies: run.Policies, took: time.Since(begin)}
		t.tell(ctx, string(c.Alerts.Textfile), cmd.ErrOrStderr())
	}
	return r, run.Policies, err
}

// enforcing makes the run one that acts, where the flag or else the
// configuration says so, and takes the lock for it.
func (a *app) enforcing(run *audit.Audit, c config.Config, env collect.Environment, asked *bool) (release func(), err error) {
	act := c.Mode == config.Enforce && a.factsFile == ""
	if asked != nil {
		act = *asked
	}
	if !act {
		return func() {}, nil
	}
	if a.factsFile != "" {
		return nil, errors.New("--enforce acts on the live system, and --facts is not that; leave one of them out")
	}
	run.Manager = &systemd.User{RuntimeDir: env.RuntimeDir, BusAddress: env.BusAddress}
	return enforce.Lock(env.RuntimeDir, time.Now())
}

// look reads the recorded document, or takes the first snapshot.
func (a *app) look(ctx context.Context, run *audit.Audit, in io.Reader, env collect.Environment) (err error) {
	if run.Document, err = a.document(in); err != nil {
		return err
	}
	if run.Document != nil && len(run.Document.Units) > large {
		debug.SetGCPercent(gcPercentLarge)
	}
	if run.Document == nil {
		first := collect.Collect(ctx, env)
		run.Collect = func(ctx context.Context) *facts.Document {
			doc := first
			if first = nil; doc == nil {
				doc = collect.Collect(ctx, env)
			}
			return doc
		}
	}
	return nil
}

// beside begins the work, and returns what waits for its answer.
func beside[T any](work func() (T, error)) func() (T, error) {
	var answer T
	var err error
	var working sync.WaitGroup
	working.Go(func() { answer, err = work() })
	return func() (T, error) {
		working.Wait()
		return answer, err
	}
}

// options shows steps from the runbooks of the policies in force.
func options(w io.Writer, p *decide.Policies) report.Options {
	return report.Options{Width: cli.Width(w), Color: cli.Color(w), Steps: steps(p.Invariants())}
}

// userName tells the metrics of one account from those of another.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

func steps(invariants []policy.Invariant) func(finding.Finding) []string {
	return func(f finding.Finding) []string {
		i := slices.IndexFunc(invariants, func(x policy.Invariant) bool { return x.ID == f.Invariant })
		if i < 0 || f.IsAllowed() {
			return nil
		}
		return invariants[i].Runbook.Steps(f.Subject, f.Evidence)
	}
}

func names(formats []report.Format) []string {
	var out []string
	for _, f := range formats {
		out = append(out, f.Name)
	}
	return out
}
