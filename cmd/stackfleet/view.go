package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/policy"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/page"
	"stackpolicy/fleet/release"
	"stackpolicy/report/fleet"
)

// maker returns a maker of pages from the archive in the hub's folder, which is only read. The
// caller closes the archive.
func (a *app) maker(ctx context.Context) (page.Maker, *archive.Archive, error) {
	h, err := a.open()
	if err != nil {
		return page.Maker{}, nil, err
	}
	m, archive := makerOf(ctx, h.data, h.keys)
	return m, archive, nil
}

// makerOf returns a maker of pages of a hub. The caller closes the archive.
func makerOf(ctx context.Context, data string, keys *authority.Authority) (page.Maker, *archive.Archive) {
	archive := archive.OpenReadOnly(data, keys.Registry.Public())
	return page.Maker{Archive: archive, Invariants: runbooks(ctx), Offered: offeredIn(data), Version: cli.Version(), Now: time.Now}, archive
}

// offeredIn returns what gives the releases in a hub's folder; one that has none offers nothing.
func offeredIn(data string) func(time.Time) ([]overview.Channel, []overview.End, error) {
	return func(now time.Time) (channels []overview.Channel, ends []overview.End, err error) {
		s, err := release.At(filepath.Join(data, "release")).Status(now)
		if errors.Is(err, release.ErrNoRoot) {
			return nil, nil, nil
		}
		for _, p := range s.Published {
			channels = append(channels, overview.Channel{Name: p.Channel, Version: p.Version, Open: p.OpenStage, Stages: len(p.Stages), Halted: p.Halted, Reason: p.Reason})
		}
		for _, e := range s.Ends {
			ends = append(ends, overview.End{What: e.What, At: e.At, Do: e.Do})
		}
		return channels, ends, err
	}
}

// runbooks returns the built-in invariants, which it loads when they are needed. Without them
// findings are shown without steps.
func runbooks(ctx context.Context) func() []policy.Invariant {
	return sync.OnceValue(func() []policy.Invariant {
		p, err := cli.LoadPolicies(ctx, "", nil)
		if err != nil {
			return nil
		}
		return p.Invariants()
	})
}

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of every host, the most urgent first",
		Long: `Shows how each enrolled host and account is, by the evidence in the archive: those that
are not trusted or not heard from first, then by severity. Those that are good are only
counted, unless --all is given. What the hub did not see is never good: a source that is
silent for three times as long as it may pause (at least half an hour), of which evidence
is missing, or whose last audit is too old, is shown as that.

Exit status:
  0  all sources are good, or what is open is waived
  1  tickets
  2  a page, or a source that is not heard from, never was, or is not trusted
  3  could not tell: evidence is missing, a clock is wrong, audits could not
     decide, no source is enrolled, or the archive cannot be read
Of several the worst counts: 2, then 3, then 1.`,
		Example: `  stackfleet status
  stackfleet status -o json
  stackfleet status -o openmetrics > /srv/metrics/fleet.prom`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	all := cmd.Flags().Bool("all", false, "list the sources that are good, too")
	format := cli.OutputFlag(cmd, fleet.Formats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, archive, err := a.maker(cmd.Context())
		if err != nil {
			return err
		}
		defer archive.Close()
		in, err := m.Fleet(cmd.Context())
		if err != nil {
			return err
		}
		a.status = in.ExitCode
		in.All, in.Width, in.Color = *all, cli.Width(cmd.OutOrStdout()), cli.Color(cmd.OutOrStdout())
		return format.Write(cmd.OutOrStdout(), in)
	}
	return cmd
}
