package fleet

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// MembersSchema names the JSON of [Members].
const MembersSchema = "stackpolicy.fleet-members/v1"

// Members are the accounts that were enrolled. Their JSON is stackpolicy.fleet-members/v1.
type Members struct {
	Schema  string   `json:"schema"`
	Members []Member `json:"members"`
}

// Member is an account of a host.
type Member struct {
	fleet.Source
	Fingerprint string     `json:"fingerprint"` // of the key of its evidence
	Connection  string     `json:"connection"`  // public nkey
	Enrolled    time.Time  `json:"enrolled"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	CanConnect  bool       `json:"can_connect"` // the broker does not refuse it
}

// MemberFormats lists every way to write who is a member.
func MemberFormats() []output.Format[[]Member] {
	return []output.Format[[]Member]{{Name: "text", Write: writeMembers}, {Name: "json", Write: func(w io.Writer, all []Member) error {
		return writeJSON(w, Members{MembersSchema, append([]Member{}, all...)})
	}}}
}

func writeMembers(out io.Writer, all []Member) error {
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
