package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/release"
	"stackpolicy/fleet/rollout"
	"stackpolicy/internal/text"
)

func policyStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the release of rules that decides, and the one that is tried",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			h, err := cli.Releases(c)
			if err != nil {
				return err
			}
			if h == nil {
				return errNoChannel
			}
			return showReleases(cmd.OutOrStdout(), *h, c.Policies)
		},
	}
}

// showReleases shows the releases, and which rules decide if none is active: those of a folder of
// the configuration, or with "" those of the program.
func showReleases(w io.Writer, h rollout.Host, below string) error {
	now := time.Now()
	s, err := h.Status(now)
	if err != nil {
		return err
	}
	decides := "the rules of the program"
	if below != "" {
		decides = "the rules in " + text.Clean(below)
	}
	if s.Active != nil {
		decides = named(*s.Active)
	}
	fmt.Fprintf(w, "decides: %s\n", decides)
	switch {
	case s.Newest == nil:
		fmt.Fprintf(w, "newest:  none is known of channel %s\n", s.Channel)
	case s.Stage == rollout.StageActive:
		fmt.Fprintf(w, "newest:  the same, until %s\n", s.Newest.Expires.Format(time.DateOnly))
		if s.Newest.Halted {
			fmt.Fprintf(w, "halted:  no further host begins to use it: %s\n", text.Clean(s.Newest.Reason))
		}
	default:
		fmt.Fprintf(w, "newest:  %s, until %s\n", named(*s.Newest), s.Newest.Expires.Format(time.DateOnly))
	}
	if s.Stage == rollout.StageShadow && s.Shadow != nil {
		fmt.Fprintf(w, "shadow:  %s, %s, %d new pages\n", text.Count(s.Shadow.Audits, "audit", "audits"), text.Count(s.Shadow.Errors, "error", "errors"), s.Shadow.NewPages)
		fmt.Fprintf(w, "stage:   %s\n", text.Clean(s.OfStages))
	}
	if s.Waits != "" {
		fmt.Fprintf(w, "waits:   %s\n", text.Clean(s.Waits))
	}
	for _, problem := range []string{s.Problem.String(), s.Ended(now)} {
		if problem != "" {
			fmt.Fprintf(w, "problem: %s\n", text.Clean(problem))
		}
	}
	return nil
}

func named(p release.Plan) string {
	return fmt.Sprintf("release %d of channel %s", p.Version, p.Channel)
}
