package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/policies"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the policies' digest and the contracts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := decide.Load(cmd.Context(), policies.FS, decide.Options{Trusted: true})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "stackpolicy %s\n", cli.Version())
			fmt.Fprintf(w, "policies    %s (%d invariants)\n", p.Digest(), len(p.Invariants()))
			fmt.Fprintf(w, "contracts   %s, %s\n", facts.Schema, audit.ReportSchema)
			return nil
		},
	}
}
