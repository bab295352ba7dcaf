package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/alarm"
	"stackpolicy/fleet/page"
	"stackpolicy/internal/text"
	"stackpolicy/notify"
	"stackpolicy/report/fleet"
)

func (a *app) alertCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "alert",
		Short: "Send what only the hub can see to the alert sinks",
		Long: `Sends alerts about what no host can say: a source that is not heard from, does not audit
or is not trusted, evidence that is lost, a wrong clock, a release that is halted or was no
success on a host, a signature that ends. Each is sent once, again while it is wrong, and
when it ended. What cannot be sent is sent by a later run.

The sinks are in alerts.yaml in the hub's folder, with the keys of the section alerts of a
host's config.yaml. "stackfleet serve" does this every minute, if that file exists: the
command is for a timer beside a broker of your own, and to try the sinks.

Exit status:
  0  done
  3  there is no alerts.yaml, or something could not be sent`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.open()
			if err != nil {
				return err
			}
			if !exists(alarm.Path(h.data)) {
				return fmt.Errorf("there is no %s: write into it where alerts go, for example `journal: {severity: ticket}`", alarm.Path(h.data))
			}
			m, archive := makerOf(cmd.Context(), h.data, h.keys)
			defer archive.Close()
			if err := tell(cmd.Context(), h.data, m); err != nil {
				return err
			}
			return waitingAlerts(cmd.Context(), h.data)
		},
	}
}

// waitingAlerts is an error if alerts wait for a sink that failed before: it is not tried each time.
func waitingAlerts(ctx context.Context, data string) error {
	waiting, err := alarm.Waiting(ctx, data, time.Now())
	if err != nil {
		return err
	}
	for _, sink := range slices.Sorted(maps.Keys(waiting)) {
		err = errors.Join(err, fmt.Errorf("%s for %s: it failed before, and is tried again within the hour", text.Count(waiting[sink], "alert waits", "alerts wait"), sink))
	}
	return err
}

// tell looks at the fleet once, and tells what is wrong. Its error says what could not be sent.
func tell(ctx context.Context, data string, m page.Maker) error {
	in, err := m.Fleet(ctx)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	env := notify.Environment{Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), Client: notify.Client(), Clock: time.Now}
	var failed []error
	for _, n := range alarm.Tell(ctx, data, host, env, in.Fleet, func(w io.Writer) error { return fleet.WriteOpenMetrics(w, in) }) {
		failed = append(failed, errors.New(n.String()))
	}
	return errors.Join(failed...)
}

// alarmer returns what tells what is wrong every minute, if alerts.yaml exists. After the hub was
// away it waits until hosts could send again. It says why it could not tell when that changes.
func (h *hub) alarmer(errs io.Writer) part {
	return func(ctx context.Context) error {
		m, archive := makerOf(ctx, h.data, h.keys)
		defer archive.Close()
		began := time.Now()
		for said := ""; ; {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(alarm.Pause):
			}
			if !exists(alarm.Path(h.data)) || !alarm.IsSettled(ctx, h.data, began, time.Now()) {
				continue
			}
			why := ""
			if err := tell(ctx, h.data, m); err != nil && ctx.Err() == nil {
				why = err.Error()
			}
			if why != "" && why != said {
				fmt.Fprintf(errs, "stackfleet: %s\n", text.CleanBlock(why))
			}
			said = why
		}
	}
}
