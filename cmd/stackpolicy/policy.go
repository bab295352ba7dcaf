package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

func policyCommand(exit *int) *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "policy", Short: "List, check, test and copy the policies"})
	cmd.AddCommand(policyListCommand(), policyCheckCommand(), policyTestCommand(exit), policyCopyCommand(), policyLearnCommand())
	return cmd
}

// open opens the policies in use, with their tests.
func (s *policySource) open() (policy.Source, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return policy.Source{}, err
	}
	return cli.Policies(s.dir(c), policy.OpenWithTests)
}

// origins compares the policies in use with the built-in ones.
func origins(p *decide.Policies) policy.Origins {
	return policy.OriginsOf(p.Source(), p.Invariants(), policy.Open(policies.FS, ""))
}
