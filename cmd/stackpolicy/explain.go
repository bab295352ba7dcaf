package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/finding"
	"stackpolicy/report"
)

func (a *app) explain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain UNIT [INVARIANT]",
		Short: "Explain a finding: evidence, the rule, what would make it allow, what to do",
		Long: `Explains the findings of a unit ("host" means findings that are about no single
unit): the evidence, the text of the rule and its place, what would make the rule
allow, and every step of the runbook. With INVARIANT, explains only that one.

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
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.explainSubject(cmd, args[0], strings.Join(args[1:], ""))
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
func (a *app) explainSubject(cmd *cobra.Command, subject, invariant string) error {
	observe := false
	result, err := a.audit(cmd, []string{subject}, &observe)
	if err != nil {
		return err
	}
	a.status = result.Report.ExitCode
	explanations, err := explanations(result.Report, result.Policies, invariant)
	if err != nil {
		return err
	}
	if invariant != "" {
		a.status = finding.WorstOf(decisionsOf(explanations)).ExitCode()
	}
	warnOfAge(cmd.ErrOrStderr(), result.Report.CollectedAt)
	w := cmd.OutOrStdout()
	return report.Explain(w, explanations, optionsOf(w, result))
}

// explanations returns what to explain: the decisions of one invariant, or every finding.
func explanations(r *audit.Report, p *decide.Policies, invariant string) ([]report.Explanation, error) {
	invariants := p.Invariants()
	var known []string
	for _, i := range invariants {
		known = append(known, i.ID)
	}
	if !slices.Contains(known, invariant) {
		invariant = finding.CurrentID(invariant)
	}
	if invariant != "" && !slices.Contains(known, invariant) {
		return nil, fmt.Errorf("unknown invariant %q; known: %s", invariant, strings.Join(known, ", "))
	}
	var list []report.Explanation
	for _, d := range r.Decisions {
		if d.Invariant == invariant || invariant == "" && !d.IsAllowed() {
			list = append(list, report.Explanation{Decision: d, Invariant: invariants[slices.Index(known, d.Invariant)]})
		}
	}
	if invariant != "" && len(list) == 0 {
		i := invariants[slices.Index(known, invariant)]
		return nil, fmt.Errorf("%s does not apply to this subject; it applies to: %s", invariant, report.Class(i.Class))
	}
	return list, nil
}

func decisionsOf(list []report.Explanation) []finding.Finding {
	var decisions []finding.Finding
	for _, e := range list {
		decisions = append(decisions, e.Decision)
	}
	return decisions
}
