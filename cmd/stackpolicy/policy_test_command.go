package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/confined"
	"stackpolicy/finding"
	"stackpolicy/report"
)

func policyTestCommand(exit *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the policies' Rego tests with coverage; does not need opa",
		Long: `Runs every *_test.rego of the policies and shows how much of the rules they
cover. The exit status is 0 if all pass and the coverage suffices, 2 if a test
fails or the coverage is too low, and 3 if they could not be run.`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	verbose := cmd.Flags().BoolP("verbose", "v", false, "list every test, and the lines that no test covers")
	floor := cmd.Flags().Float64("coverage", 0, "least coverage of the rules, in percent")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opened, err := source.open()
		if err != nil {
			return err
		}
		if _, err := cli.CheckPolicies(cmd.Context(), opened); err != nil {
			return err
		}
		tests, err := confined.Test(cmd.Context(), opened)
		if err != nil {
			return err
		}
		if !tests.Passed() || tests.Percent < *floor {
			*exit = finding.LevelCritical.ExitCode()
		}
		return report.PolicyTests(cmd.OutOrStdout(), tests, *floor, *verbose, options(cmd.OutOrStdout()))
	}
	return cmd
}
