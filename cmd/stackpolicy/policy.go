package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

func policyCommand(exit *int) *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "policy", Short: "List, check, test, copy, compare, upgrade and pull policies"})
	cmd.AddCommand(policyListCommand(), policyCheckCommand(), policyTestCommand(exit), policyCopyCommand(),
		policyNewCommand(), policyFmtCommand(exit), policyDiffCommand(exit), policyLearnCommand(),
		policyUpgradeCommand(exit), policyPullCommand(), policyStatusCommand())
	return cmd
}

// open opens the policies in use, with their tests.
func (s *policySource) open() (policy.Source, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return policy.Source{}, err
	}
	return cli.PoliciesInUse(s.policyDir, c)
}

// folder returns the folder of the policies in use, which is to be written to.
func (s *policySource) folder() (string, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return "", err
	}
	if dir := s.dir(c); dir != "" {
		return dir, nil
	}
	if r := cli.ActiveRelease(s.policyDir, c); r != nil {
		return "", fmt.Errorf("the rules come from release %d of channel %s, which is signed; name another folder with --policy DIR", r.Plan.Version, r.Plan.Channel)
	}
	return "", errors.New("the built-in policies cannot be changed; name a folder: --policy DIR, or policies: in config.yaml. A folder without main.rego is laid over them")
}

func fileNames(files []policy.File) []string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	return names
}

// base returns the base of the policies in use; the built-in ones have none.
func (s *policySource) base() (policy.Base, error) {
	c, err := cli.ReadConfig()
	dir := cli.PolicyDir(s.policyDir, c)
	if err != nil || dir == "" {
		return policy.Base{}, err
	}
	return policy.ReadBase(dir) // a release has none
}

// origins compares the policies in use with the built-in ones.
func (s *policySource) origins(p *decide.Policies) (policy.Origins, error) {
	base, err := s.base()
	if err != nil {
		return policy.Origins{}, err
	}
	return policy.OriginsOf(p.Source(), p.Invariants(), base, policy.Open(policies.FS, "")), nil
}
