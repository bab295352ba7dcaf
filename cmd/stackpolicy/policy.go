package main

import (
	"io/fs"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
)

func policyCommand(exit *int) *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "policy", Short: "List, check, test and copy the policies"})
	cmd.AddCommand(policyListCommand(), policyCheckCommand(), policyTestCommand(exit), policyCopyCommand())
	return cmd
}

// folder returns the policy folder in use, and its name for messages.
func (s *policySource) folder() (fs.FS, string, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, "", err
	}
	return cli.Policies(s.dir(c))
}
