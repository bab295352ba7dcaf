package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/release"
	"stackpolicy/fleet/release/oci"
	"stackpolicy/fleet/rollout"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// errNoChannel is the error of commands about releases without a channel.
var errNoChannel = errors.New("this account follows no channel of releases; set fleet.channel in config.yaml, for example to stable")

func policyPullCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Take the newest release of rules from the fleet, to be tried in shadow",
		Long: `Asks for the newest release of the channel that config.yaml names (fleet.channel), at the
hub, or in the OCI registry of fleet.registry. A release is verified, checked and tested;
then each audit lets it decide beside the rules in use. Nothing acts by it before that was
a success and its stage is open. Audits ask every hour by themselves.

--from reads a copy of the public folder of the releases, for a machine without network.
--root names the file 1.root.json, which an account that was not enrolled trusts from then on.`,
		Args: cobra.NoArgs,
	}
	from := cmd.Flags().String("from", "", "`FOLDER` with the public files of the releases")
	_ = cmd.MarkFlagDirname("from")
	root := cmd.Flags().String("root", "", "`FILE` with the root to trust, the first time")
	_ = cmd.MarkFlagFilename("root", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
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
		if *root != "" {
			if h.Root, err = regularfile.Read(*root, maxRoot); err != nil {
				return fmt.Errorf("read the root: %w", err)
			}
		}
		if err := pull(cmd.Context(), c, *h, *from); err != nil {
			return err
		}
		return showReleases(cmd.OutOrStdout(), *h)
	}
	return cmd
}

const (
	maxRoot      = 500_000
	pullLimit    = 5 * time.Minute // most of it are the tests of the rules
	connectLimit = 10 * time.Second
	pullEvery    = time.Hour
)

// pull pulls from a folder, from the registry of the configuration, or from the hub.
func pull(ctx context.Context, c config.Config, h rollout.Host, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	if folder != "" {
		if _, err := os.Stat(filepath.Join(folder, "timestamp.json")); err != nil {
			return fmt.Errorf("%s has no releases: want a copy of the folder public of stackfleet's releases: %w", folder, err)
		}
		return h.Pull(ctx, release.Folder(folder), time.Now())
	}
	if c.Fleet.Registry != "" {
		r, err := oci.Open(c.Fleet.Registry, oci.AuthFiles()...)
		if err != nil {
			return err
		}
		return h.Pull(ctx, bounded{r}, time.Now())
	}
	hub := &hubFiles{}
	defer hub.close()
	return h.Pull(ctx, hub, time.Now())
}

// bounded bounds the time of each file.
type bounded struct{ release.Fetcher }

func (b bounded) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	return b.Fetcher.File(ctx, name, limit)
}

// hubFiles fetches from the hub, to which it connects for the first file.
type hubFiles struct {
	hub courier.Hub
	org string
}

func (f *hubFiles) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	if f.hub == nil {
		if err := f.connect(ctx); err != nil {
			return nil, err
		}
	}
	m := release.Messages{Org: f.org, Last: func(ctx context.Context, subject string) ([]byte, error) {
		content, err := f.hub.Last(ctx, subject)
		if err == nil && content == nil {
			err = fs.ErrNotExist
		}
		return content, err
	}}
	return m.File(ctx, name, limit)
}

func (f *hubFiles) connect(ctx context.Context) error {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return err
	}
	member, err := enroll.ReadMember(env.StateHome)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this account is in no fleet: enroll it, set fleet.registry in config.yaml, or give a folder with --from")
	}
	if err != nil {
		return err
	}
	conn, err := enroll.Connect(ctx, env.StateHome, member)
	if err != nil {
		return err
	}
	f.hub, f.org = courier.Over(conn), member.Org
	return nil
}

func (f *hubFiles) close() {
	if f.hub != nil {
		f.hub.Close()
	}
}

// pullIfDue asks for the newest release, at most once an hour. An error is kept in the state of
// the releases, from which policy_current reports it.
func (s *shadow) pullIfDue(ctx context.Context, errs io.Writer) {
	if s == nil || ctx.Err() != nil {
		return
	}
	if _, err := os.Stat(enroll.MemberPath(s.env.StateHome)); err != nil && s.config.Fleet.Registry == "" {
		return // releases come by hand, with --from
	}
	asked, err := s.host.Asked()
	if err != nil || time.Since(asked) < pullEvery && time.Since(asked) > 0 {
		return
	}
	if err := pull(ctx, s.config, s.host, ""); err != nil {
		fmt.Fprintf(errs, "stackpolicy: releases: %s\n", text.CleanBlock(err.Error()))
	}
}
