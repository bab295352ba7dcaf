package main

import (
	"errors"
	"io"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/report"
)

func (a *app) eval() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval [UNIT…]",
		Short: "Audit every managed unit, or the named ones",
		Long: `Audits every managed unit, or only the named ones ("host" means findings that are
about no single unit). Facts are always collected for all units, because a reload
concerns every unit. Without --enforce nothing is changed, and the plan is shown.

--facts judges recorded facts, as of the time they were collected: the exit
status says nothing about now. With --max-age, older facts are unknown (3).

An audit of all units sends alerts. With --queue-alerts it leaves those over the
network to stackpolicy send-alerts, which its unit starts afterwards.
` + exitStatus(),
		Example: `  stackpolicy eval
  stackpolicy eval web.service --enforce
  stackpolicy facts > facts.json
  stackpolicy eval --facts facts.json --policy ./rules`,
		ValidArgsFunction: a.completeUnits,
	}
	a.policyFlag(cmd)
	a.factsFlag(cmd)
	enforcing := cmd.Flags().Bool("enforce", false, "run the safe heals (default: mode in config.yaml)")
	a.maxAgeFlag(cmd)
	cmd.Flags().BoolVar(&a.queueAlerts, "queue-alerts", false, "leave alerts over the network to stackpolicy send-alerts")
	format := cli.OutputFlag(cmd, report.Formats())
	cmd.RunE = func(cmd *cobra.Command, units []string) error {
		a.audits = true
		if a.maxAge != 0 && a.factsFile == "" {
			return errors.New("--max-age is about the facts of --facts, and there are none; leave it out")
		}
		if a.queueAlerts && a.factsFile != "" {
			return errors.New("--queue-alerts is about alerts, and with --facts none are sent; leave one of them out")
		}
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
		if format.String() != "text" { // which says it itself
			warnOfAge(cmd.ErrOrStderr(), result.Report.CollectedAt)
		}
		o := optionsOf(cmd.OutOrStdout(), result)
		o.Around.User = userName()
		err = format.Write(cmd.OutOrStdout(), report.Audited{Report: result.Report, Options: o})
		a.shadow.end(cmd.Context(), cmd.ErrOrStderr())
		a.shadow.next(cmd.Context(), a.isOffline(), cmd.ErrOrStderr())
		return err
	}
	return cmd
}

func options(w io.Writer) report.Options {
	return report.Options{Width: cli.Width(w), Color: cli.Color(w), Now: time.Now()}
}

// optionsOf returns options with the steps from the runbooks of the policies in use.
func optionsOf(w io.Writer, result audit.Result) report.Options {
	o := options(w)
	o.Steps = report.Steps(result.Policies.Invariants(), report.AccountOf(result.Document, userName()))
	return o
}

// userName returns the account's name, for the label of its metrics.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
