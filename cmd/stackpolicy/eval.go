package main

import (
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/report"
)

func (a *app) eval() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval [UNIT…]",
		Short: "Audit every managed unit, or the named ones",
		Long: `Audits every managed unit, or only the named ones ("host" means findings that are
about no single unit). Facts are always collected for all units, because a reload
concerns every unit. Without --enforce nothing is changed, and the plan is shown.
` + exitStatus,
		Example: `  stackpolicy eval
  stackpolicy eval web.service --enforce
  stackpolicy facts > facts.json
  stackpolicy eval --facts facts.json --policy ./rules`,
		ValidArgsFunction: a.completeUnits,
	}
	a.policyFlag(cmd)
	a.factsFlag(cmd)
	enforcing := cmd.Flags().Bool("enforce", false, "run the safe heals (default: mode in config.yaml)")
	format := cli.OutputFlag(cmd, report.Formats())
	cmd.RunE = func(cmd *cobra.Command, units []string) error {
		var asked *bool
		if cmd.Flags().Changed("enforce") {
			asked = enforcing
		}
		result, err := a.audit(cmd, units, asked)
		if err != nil {
			a.couldNotBegin(cmd.Context(), units, err, cmd.ErrOrStderr())
			return err
		}
		a.status = result.Report.ExitCode
		o := options(cmd.OutOrStdout(), result.Policies)
		o.Around.User = userName()
		return format.Write(cmd.OutOrStdout(), report.Audited{Report: result.Report, Options: o})
	}
	return cmd
}

// options returns options with the steps from the runbooks of the policies in use.
func options(w io.Writer, p *decide.Policies) report.Options {
	return report.Options{Width: cli.Width(w), Color: cli.Color(w), Steps: steps(p.Invariants())}
}

// userName returns the account's name, for the label of its metrics.
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
