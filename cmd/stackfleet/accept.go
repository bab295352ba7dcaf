package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/archive"
	"stackpolicy/internal/text"
)

func (a *app) acceptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept HOST",
		Short: "Accept that missing evidence of a host is lost",
		Long: `Accepts that the evidence that is missing of a host now is lost, for example after
the archive was restored from a backup: the host has sent again all that it still
remembers. It stays known as missing, and its page says so, but it is no longer a
state of the host. What goes missing later is reported. Without --user it is about
every account of the host.`,
		Example: "  stackfleet accept web",
		Args:    cli.Takes("HOST"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	user := cmd.Flags().String("user", "", "`NAME` of the only account")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		h, err := a.open()
		if err != nil {
			return err
		}
		store := archive.OpenReadOnly(h.data, h.keys.Registry.Public())
		sources, err := store.Sources(cmd.Context())
		_ = store.Close()
		if err != nil {
			return err
		}
		found := false
		for _, s := range sources {
			if s.Host != args[0] || *user != "" && s.User != *user {
				continue
			}
			found = true
			n, err := archive.Accept(cmd.Context(), h.data, h.keys.Registry.Public(), s.Source, time.Now())
			if err != nil {
				return err
			}
			words := text.Count(int(n), "missing envelope is", "missing envelopes are") + " accepted as lost"
			if n == 0 {
				words = "nothing is missing"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s at the host %s: %s\n", text.Clean(s.User), text.Clean(s.Host), words)
		}
		if !found {
			return notEnrolled(args[0], *user)
		}
		return nil
	}
	return cmd
}
