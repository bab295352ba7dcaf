package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

const membersSchema = "stackfleet.members/v1"

func (a *app) members() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the hosts and accounts that are enrolled",
		Long: `Lists every account of every host that was enrolled, with the fingerprint of the
key of its evidence. One that is revoked stays in the list; it can still connect
if the operator's key was not there.`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := cli.OutputFlag(cmd, []output.Format[[]member]{{Name: "text", Write: writeMembers}, {Name: "json", Write: writeMembersJSON}})
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
func (h *hub) list(all []fleet.Identity) ([]member, error) {
	members := []member{}
	for _, id := range all {
		isRefused := false
		if id.Revoked != nil {
			var err error
			if isRefused, err = h.keys.IsRevoked(id.Connection); err != nil {
				return nil, err
			}
		}
		members = append(members, member{id.Source, id.Key.Fingerprint(), id.Connection, id.Enrolled, id.Revoked, !isRefused})
	}
	return members, nil
}

func writeMembers(out io.Writer, all []member) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No host is enrolled yet: stackfleet enroll HOST")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tUSER\tENROLLED\tREVOKED\tKEY")
	for _, m := range all {
		revoked := "-"
		if m.Revoked != nil {
			revoked = m.Revoked.Format(time.DateOnly)
		}
		if m.Revoked != nil && m.CanConnect {
			revoked += " (can still connect)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", text.Clean(m.Host), text.Clean(m.User), m.Enrolled.Format(time.DateOnly), revoked, m.Fingerprint)
	}
	return table.Flush()
}

// member is an identity as others read it.
type member struct {
	fleet.Source
	Fingerprint string     `json:"fingerprint"`
	Connection  string     `json:"connection"` // public nkey
	Enrolled    time.Time  `json:"enrolled"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	CanConnect  bool       `json:"can_connect"` // the broker does not refuse it
}

func writeMembersJSON(out io.Writer, all []member) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Schema  string   `json:"schema"`
		Members []member `json:"members"`
	}{membersSchema, all})
}
