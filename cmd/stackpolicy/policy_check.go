package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

func policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that the policies load, and are formatted as opa fmt does",
		Long: `Checks what every audit checks before it uses a policy folder (complete METADATA,
known facts, effects and actions, no undeclared section, no forbidden builtin), and
the format. It says which built-in invariants the folder lacks, and which built-in rules
have changed, or may have, since they were copied, replaced or last seen below a layer.
The exit status is 0, or 3 with every mistake, its file and its line on standard error.`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opened, err := source.open()
		if err != nil {
			return err
		}
		p, err := cli.CheckPolicies(cmd.Context(), opened)
		if err != nil {
			return err
		}
		unformatted, err := confined.Formatted(cmd.Context(), opened)
		if err != nil {
			return err
		}
		if len(unformatted) > 0 {
			return fmt.Errorf("not formatted; run stackpolicy policy fmt, or opa fmt -w on: %s", strings.Join(fileNames(unformatted), ", "))
		}
		origins, err := source.origins(p)
		if err != nil {
			return err
		}
		outdated, err := source.outdated(opened, origins)
		if err != nil {
			return err
		}
		for _, note := range slices.Concat(p.Settings().Renamed(), origins.Notes(), outdated) {
			fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: %s\n", note)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d invariants are in order\n", len(p.Invariants()))
		return nil
	}
	return cmd
}

// outdated notes the files that an upgrade would change, besides rules, which origins has.
func (s *policySource) outdated(opened policy.Source, origins policy.Origins) ([]string, error) {
	c, err := cli.ReadConfig()
	dir := cli.PolicyDir(s.policyDir, c)
	if err != nil || dir == "" {
		return nil, err
	}
	base, err := policy.ReadBase(dir)
	if err != nil || len(base.Files) == 0 {
		return nil, err
	}
	plan, err := policy.PlanUpgrade(opened.Own(), base, policy.OpenWithTests(policies.FS, ""), cli.Version(), false)
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(slices.Sorted(maps.Keys(plan.Change)), origins.Noted)
	if len(files) == 0 {
		return nil, nil
	}
	return []string{"files that an upgrade would change too: " + strings.Join(files, ", ")}, nil
}
