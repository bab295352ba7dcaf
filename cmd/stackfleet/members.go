package main

import (
	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet"
	report "stackpolicy/report/fleet"
)

func (a *app) members() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the hosts and accounts that are enrolled",
		Long: `Lists every account of every host that was enrolled, with the fingerprint of the
key of its evidence. One that is revoked stays in the list; it can still connect
if the operator's key was not there.`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := cli.OutputFlag(cmd, report.MemberFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h, c, js, err := a.reach(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		all, unread := h.registry(js).List(cmd.Context())
		list, err := h.list(all)
		if err != nil {
			return err
		}
		if err := format.Write(cmd.OutOrStdout(), list); err != nil {
			return err
		}
		return unread
	}
	return cmd
}

// list returns the identities as others read them.
func (h *hub) list(all []fleet.Identity) ([]report.Member, error) {
	members := []report.Member{}
	for _, id := range all {
		isRefused := false
		if id.Revoked != nil {
			var err error
			if isRefused, err = h.keys.IsRevoked(id.Connection); err != nil {
				return nil, err
			}
		}
		members = append(members, report.Member{
			Source: id.Source, Fingerprint: id.Key.Fingerprint(), Connection: id.Connection, Enrolled: id.Enrolled, Revoked: id.Revoked, CanConnect: !isRefused,
		})
	}
	return members, nil
}
