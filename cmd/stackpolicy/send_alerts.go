package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/alerts"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

func sendAlertsCommand(status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "send-alerts",
		Short: "Send the alerts that audits left to it",
		Long: `Sends what audits with --queue-alerts left for sinks of the network: Alertmanager
and webhooks, and evidence for the hub if this account is enrolled in a fleet. It
fetches the newest release of rules every hour, if config.yaml names a channel. It
audits nothing. stackpolicy-alerts.service runs it after each audit.

Exit status:
  0  everything was sent
  1  something could not be sent, and is tried again later
  3  the configuration or the history cannot be read`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			unsent, err := sendAlerts(cmd.Context())
			for _, why := range unsent {
				fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: %s\n", text.CleanBlock(why))
				*status = finding.LevelWarning.ExitCode()
			}
			return err
		},
	}
}

// sendAlerts sends what was left to it. If the history cannot be read, it sends what is not
// in there, and returns the error.
func sendAlerts(ctx context.Context) (unsent []string, err error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, err
	}
	env, err := collect.OfProcess(c)
	if err != nil {
		return nil, err
	}
	o := alerts.Options{Now: time.Now(), Spool: alerts.SpoolPath(env.RuntimeDir)}
	if o.Routes, err = routes(c, credentials()); err != nil {
		return nil, err
	}
	store, err := history.OpenExisting(ctx, env.StateHome)
	if err == nil {
		defer store.Close()
		o.Outbox = store
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // no audit has left anything there
	}
	for _, n := range alerts.Send(ctx, o) {
		unsent = append(unsent, n.String())
	}
	if store != nil {
		if err := sendEvidence(ctx, env.StateHome, store); err != nil {
			unsent = append(unsent, err.Error())
		}
	}
	if err := fetchIfDue(ctx, c, env.StateHome); err != nil && !isHeld(err) {
		unsent = append(unsent, "releases: "+err.Error())
	}
	return unsent, err
}
