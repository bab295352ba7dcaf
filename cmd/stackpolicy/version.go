package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/policies"
)

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the built-in policies' digest and the contracts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := decide.Load(cmd.Context(), policies.FS, decide.Options{Trusted: true})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "stackpolicy %s\n", buildVersion())
			fmt.Fprintf(w, "policies    %s (%d invariants)\n", p.Digest(), len(p.Invariants()))
			fmt.Fprintf(w, "contracts   %s, %s\n", facts.Schema, audit.ReportSchema)
			return nil
		},
	}
}

// buildVersion is the module's version, or the commit it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > 12 && v == "(devel)" {
			v = s.Value[:12]
		}
	}
	return v
}
