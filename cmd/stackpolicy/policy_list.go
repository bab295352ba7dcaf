package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/report"
)

func policyListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the invariants: class, severity, actions, origin, good state",
		Args:  cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	format := cli.OutputFlag(cmd, report.InvariantFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := cli.ReadConfig()
		if err != nil {
			return err
		}
		p, err := source.loadPolicies(cmd.Context(), c)
		if err != nil {
			return err
		}
		origins, err := source.origins(p)
		if err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		return format.Write(w, report.Invariants{List: p.Invariants(), Origins: origins, Options: options(w)})
	}
	return cmd
}
