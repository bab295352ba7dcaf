package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/text"
	"stackpolicy/report"
	"stackpolicy/watch"
)

// watchGCPercent keeps a process small that runs for months.
const watchGCPercent = 50

func (a *app) watch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Audit all the time: after each change, and every ten minutes",
		Long: `Audits when something changes: a unit file, a link, what the manager runs, a
container, the configuration, a rule, or the time at which a grace period, a waiver or
a hold ends. It collects and decides again only what changed. It acts, records and
alerts as eval does. Every ten minutes it audits everything, and says so if that finds
something else.

stackpolicy-watch.service runs it instead of the audit's timer and path units. There
is one watch for an account. Beside another one, --follow only shows: nothing is
healed, recorded or sent twice. SIGHUP reads the configuration and the rules again.

With -o json each line is an object: first {"time", "ready", "exit_code"}, then, for
each change, {"time", "invariant", "subject", "effect", "severity", "was"}.`,
		Example: `  stackpolicy watch --follow
  stackpolicy watch --follow -o json | jq -c 'select(.effect == "block")'`,
		Args: cobra.NoArgs,
	}
	a.policyFlag(cmd)
	cmd.Flags().BoolVar(&a.queueAlerts, "queue-alerts", false, "leave alerts over the network to stackpolicy-alerts.service, and start that")
	follow := cmd.Flags().Bool("follow", false, "show each change of a verdict")
	enforcing := cmd.Flags().Bool("enforce", false, "run the safe heals (default: mode in config.yaml)")
	every := cmd.Flags().Duration("every", 10*time.Minute, "time between two audits of everything")
	format := cli.OutputFlag(cmd, report.WatchFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *every < time.Second || *every > 24*time.Hour {
			return errors.New("--every is a time from 1s to 24h, such as 10m")
		}
		debug.SetGCPercent(watchGCPercent)
		r := watchRunner{app: a, ctx: cmd.Context(), errs: cmd.ErrOrStderr(), every: *every}
		if cmd.Flags().Changed("enforce") {
			r.asked = enforcing
		}
		if *follow || format.String() != "text" {
			r.show = func(l watch.Line) error { return format.Write(cmd.OutOrStdout(), l) }
			r.onTerminal = cli.Terminal(cmd.OutOrStdout())
		}
		return r.run()
	}
	return cmd
}

// run watches until the context ends. Beside another watch it only shows, and without
// anything to show it is an error.
func (r *watchRunner) run() error {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return err
	}
	if _, err := os.Stat(env.RuntimeDir); err != nil {
		return fmt.Errorf("no runtime folder, and so no user manager to watch: %w; see loginctl(1), enable-linger", err)
	}
	release, err := lock.Take(filepath.Join(env.RuntimeDir, "stackpolicy", "watch.lock"), time.Now())
	var held *lock.HeldError
	switch {
	case errors.As(err, &held) && r.show == nil:
		return fmt.Errorf("another watch runs (%s); to see what it sees: stackpolicy watch --follow", held.Holder)
	case errors.As(err, &held):
		r.say(fmt.Sprintf("another watch acts (%s); this one only shows", held.Holder))
		r.shows = true
	case err != nil:
		return err
	default:
		defer release()
	}
	running, end := context.WithCancelCause(r.ctx)
	defer end(nil)
	r.end = end
	again := r.hangups(running)
	n := &notifier{socket: os.Getenv("NOTIFY_SOCKET"), say: r.say}
	go n.keepAlive(running)
	w := watch.Watch{
		Load: r.load, Files: r.files, Recall: cli.Recall, Undecided: r.undecided, Show: r.shown, Say: r.say, Beat: func(h watch.Health) { r.health = h; n.beat(h) },
		Again: again, Interval: r.every,
		Manager: func(ctx context.Context, ready func(), changed func(watch.ManagerEvent)) error {
			return systemd.FollowUser(ctx, env.RuntimeDir, env.BusAddress, ready, func(e systemd.Event) {
				changed(watch.ManagerEvent{Unit: e.Unit, All: e.Reload})
			})
		},
		Podman: func(ctx context.Context, ready func(), changed func(watch.PodmanEvent)) error {
			return followPodman(ctx, podman.Of(env.RuntimeDir), ready, changed)
		},
	}
	if !r.shows {
		w.Audit = r.audit
	}
	err = w.Run(running)
	if errors.Is(err, context.Canceled) { // it was told to end
		return nil
	}
	return err
}

// hangups returns a channel that is sent to after each SIGHUP. On a terminal, which sends it
// when it is closed, SIGHUP ends the program.
func (r *watchRunner) hangups(ctx context.Context) <-chan struct{} {
	hung := make(chan struct{})
	if r.onTerminal {
		return hung
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case <-ctx.Done():
				return
			case hung <- struct{}{}:
			}
		}
	}()
	return hung
}

func (r *watchRunner) say(what string) {
	fmt.Fprintf(r.errs, "stackpolicy: %s\n", text.CleanBlock(what))
}

// absentPause is how often a podman is looked for that is not there.
const absentPause = time.Minute

// followPodman follows podman, also one that is installed later.
func followPodman(ctx context.Context, client podman.Client, ready func(), changed func(watch.PodmanEvent)) error {
	for isFirst := true; ; isFirst = false {
		err := client.Follow(ctx, ready, func(isImage bool) { changed(watch.PodmanEvent{Image: isImage}) })
		if !errors.Is(err, podman.ErrAbsent) {
			return err
		}
		if isFirst {
			ready() // there is nothing to follow
		}
		sleep(ctx, absentPause)
	}
}
