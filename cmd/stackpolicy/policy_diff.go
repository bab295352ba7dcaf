package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/policies"
	"stackpolicy/report"
)

func policyDiffCommand(exit *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what the policy folder changes of the built-in policies",
		Long: `Shows by invariant what the policies in use change of the built-in ones: own, replaced
(and whether the built-in rule has changed since), edited or missing; then settings
and other files. With -u also the lines. The rules may have mistakes.

Exit status: 0 no difference, 1 some, 3 the folder could not be read.`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	unified := cmd.Flags().BoolP("unified", "u", false, "show the lines")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opened, err := source.open()
		if err != nil {
			return err
		}
		base, err := source.base()
		if err != nil {
			return err
		}
		list := policy.Differences(opened, base, policy.OpenWithTests(policies.FS, ""))
		if len(list) > 0 {
			*exit = finding.LevelWarning.ExitCode()
		}
		return report.PolicyDifferences(cmd.OutOrStdout(), list, *unified, options(cmd.OutOrStdout()))
	}
	return cmd
}
