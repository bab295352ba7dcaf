package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/ingest"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/text"
)

func (a *app) archiveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "archive",
		Short: "Write the evidence of a broker of your own to the archive",
		Long: `Writes evidence from the broker to the archive in the hub's folder, and publishes the
releases there, until a signal ends it. "stackfleet serve" does this itself: the command is for a broker of your
own. One process writes an archive at a time; a second one waits, and goes on
when the first ends.`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, c, _, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			a.endsBySignal = true
			err = together(cmd.Context(), []part{h.archiver(c, cmd.ErrOrStderr()), h.releaser(c, cmd.ErrOrStderr())})
			if cmd.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
}

// together runs parts until one fails.
func together(ctx context.Context, parts []part) error {
	group, within := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error { return p(within) })
	}
	return group.Wait()
}

// standBy is how often a second archiver looks whether the first has ended.
const standBy = 2 * time.Second

// archiver returns what moves evidence to the archive. While another process does that, it
// waits.
func (h *hub) archiver(c *nats.Conn, errs io.Writer) part {
	say := func(line string) { fmt.Fprintf(errs, "stackfleet: archive: %s\n", text.Clean(line)) }
	return func(ctx context.Context) error {
		keys := archive.Keys{Watermarks: h.keys.Archive, Registry: h.keys.Registry.Public()}
		for said := false; ; said = true {
			store, err := archive.Open(ctx, h.data, keys, time.Now())
			if held := (*lock.HeldError)(nil); errors.As(err, &held) {
				if !said {
					say("another process writes it: " + held.Error() + "; waiting")
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(standBy):
				}
				continue
			}
			if err != nil {
				return err
			}
			if said {
				say("goes on")
			}
			err = ingest.Run(ctx, ingest.Options{Archive: store, Conn: c, Replicas: h.replicas(), Log: say, Now: time.Now})
			return errors.Join(err, store.Close())
		}
	}
}
