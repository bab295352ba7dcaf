package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/explain"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/internal/journal"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

func (a *app) explain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain UNIT [INVARIANT]",
		Short: "Explain a finding: its evidence, its rule, and what to do",
		Long: `Explains the findings of a unit ("host" means findings that are about no single
unit): since when it is open, what changed before it, the evidence, the last log lines
of the unit and of the container at fault, the rule that gave it and its place, what
would make the rule allow, and every step of the runbook. With INVARIANT, explains only
that one. With --facts neither logs nor what changed before are read.

Exit status: as of eval, for what is explained.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("explain takes a unit and at most one invariant")
			}
			return nil
		},
		ValidArgsFunction: a.completeExplain,
	}
	a.policyFlag(cmd)
	a.factsFlag(cmd)
	format := cli.OutputFlag(cmd, report.ExplainFormats())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := a.explainSubject(cmd, args[0], strings.Join(args[1:], ""))
		if err != nil {
			return err
		}
		return format.Write(cmd.OutOrStdout(), e)
	}
	return cmd
}

// completeExplain offers a unit, and then an invariant.
func (a *app) completeExplain(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch len(given) {
	case 0:
		return a.completeUnits(cmd, given, begun)
	case 1:
		return a.completeInvariants(cmd, begun)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// explainSubject audits one subject in observe mode, and explains its findings or, if
// invariant is not empty, only that invariant.
func (a *app) explainSubject(cmd *cobra.Command, subject, invariant string) (report.Explained, error) {
	observe := false
	result, err := a.audit(cmd, []string{subject}, &observe)
	if err != nil {
		return report.Explained{}, err
	}
	a.status = result.Report.ExitCode
	decisions, err := toExplain(result.Report, result.Policies, invariant)
	if err != nil {
		return report.Explained{}, err
	}
	if invariant != "" {
		a.status = finding.WorstOf(decisions).ExitCode()
	}
	warnOfAge(cmd.ErrOrStderr(), result.Report.CollectedAt)
	list := explain.Of(cmd.Context(), decisions, result.Policies, result.Document, loadChanged(result.Policies))
	if a.factsFile == "" {
		if err := readLogs(cmd.Context(), list, result.Document); err != nil {
			return report.Explained{}, err
		}
		if err := remember(cmd.Context(), list); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: what changed before a finding is not known: %s\n", text.CleanBlock(err.Error()))
		}
	}
	return report.Explained{List: list, Report: result.Report, ExitCode: a.status, Options: optionsOf(cmd.OutOrStdout(), result)}, nil
}

// loadChanged loads changed policies with the limits of the given ones: those of a folder are
// confined.
func loadChanged(p *decide.Policies) explain.Load {
	return func(ctx context.Context, source policy.Source) (*decide.Policies, error) {
		if p.Source().Name == "" {
			return decide.LoadSource(ctx, source, decide.Options{Trusted: true})
		}
		return confined.LoadSource(ctx, source, decide.Options{Name: source.Name})
	}
}

// remember adds what the history knows; without a history there is nothing.
func remember(ctx context.Context, list []explain.Explanation) error {
	store, err := openHistory(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer store.Close()
	return explain.Remember(ctx, list, store, time.Now())
}

// readLogs adds the last log lines of the running system.
func readLogs(ctx context.Context, list []explain.Explanation, doc *facts.Document) error {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return err
	}
	explain.ReadLogs(ctx, list, doc, journal.Installed().Last, podman.Of(env.RuntimeDir).Logs)
	return nil
}

// toExplain returns what to explain: the decisions of one invariant, or every finding.
func toExplain(r *audit.Report, p *decide.Policies, invariant string) ([]finding.Finding, error) {
	invariants := p.Invariants()
	var known []string
	for _, i := range invariants {
		known = append(known, i.ID)
	}
	if !slices.Contains(known, invariant) {
		invariant = finding.CurrentID(invariant)
	}
	if invariant != "" && !slices.Contains(known, invariant) {
		return nil, fmt.Errorf("unknown invariant %q; %s", invariant, text.Known(invariant, known))
	}
	var list []finding.Finding
	for _, d := range r.Decisions {
		if d.Invariant == invariant || invariant == "" && !d.IsAllowed() {
			list = append(list, d)
		}
	}
	if invariant != "" && len(list) == 0 {
		i := invariants[slices.Index(known, invariant)]
		return nil, fmt.Errorf("%s does not apply to this subject; it applies to: %s", invariant, report.Class(i.Class))
	}
	return list, nil
}
