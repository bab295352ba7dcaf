package main

import (
	"errors"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/report"
)

func policyTestCommand(exit *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the policies' Rego tests with coverage; does not need opa",
		Long: `Runs every *_test.rego of the policies and shows how much of the rules they
cover. An invariant that no test reads fails. The exit status is 0 if all pass and the
coverage suffices, 2 if a test fails or the coverage is too low, and 3 if they could
not be run.`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	verbose := cmd.Flags().BoolP("verbose", "v", false, "list every test, and the lines that no test covers")
	floor := cmd.Flags().Float64("coverage", 0, "least coverage of the rules, in percent")
	watch := cmd.Flags().Bool("watch", false, "run them again after each change of the folder, until Ctrl-C; the exit status is the last run's")
	run := func(cmd *cobra.Command, opened policy.Source) error {
		if _, err := cli.CheckPolicies(cmd.Context(), opened); err != nil {
			return err
		}
		tests, err := confined.Test(cmd.Context(), opened)
		if err != nil {
			return err
		}
		*exit = finding.LevelOK.ExitCode()
		if !tests.Passed() || len(tests.Untested) > 0 || tests.Percent < *floor {
			*exit = finding.LevelCritical.ExitCode()
		}
		return report.PolicyTests(cmd.OutOrStdout(), tests, *floor, *verbose, options(cmd.OutOrStdout()))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opened, err := source.open()
		if err != nil {
			return err
		}
		if !*watch {
			return run(cmd, opened)
		}
		if opened.Name == "" {
			return errors.New("--watch needs a folder, and the built-in policies have none: name it with --policy")
		}
		w := watcher{open: source.open, every: watchInterval, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), run: func(opened policy.Source) error {
			*exit = finding.LevelUnknown.ExitCode()
			return run(cmd, opened)
		}}
		return w.watch(cmd.Context())
	}
	return cmd
}
