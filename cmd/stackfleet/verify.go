package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/archive"
	"stackpolicy/report/fleet"
)

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read all evidence again, and check signatures and gaps",
		Long: `Reads every envelope in the archive again: whether its source signed it, whether it
follows the one before, and what is missing. It needs no broker.

Exit status:
  0  nothing is missing, contradicts or was changed
  2  an envelope was changed, or two of one source contradict each other
  3  something is missing, or the archive cannot be read
Of several the worst counts: 2, then 3.`,
		Example: "  stackfleet verify\n  stackfleet verify -o json",
		Args:    cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := cli.OutputFlag(cmd, fleet.VerifyFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h, err := a.open()
		if err != nil {
			return err
		}
		store := archive.OpenReadOnly(h.data, h.keys.Registry.Public())
		defer store.Close()
		list := []archive.Verified{}
		err = store.Verify(cmd.Context(), func(v archive.Verified) error {
			list = append(list, v)
			return nil
		})
		if err != nil {
			return err
		}
		a.status = statusOf(list)
		return format.Write(cmd.OutOrStdout(), list)
	}
	return cmd
}

func statusOf(list []archive.Verified) (status int) {
	for _, v := range list {
		switch {
		case v.Forks > 0 || len(v.Changed) > 0:
			return 2
		case !v.IsGood():
			status = failed
		}
	}
	return status
}
