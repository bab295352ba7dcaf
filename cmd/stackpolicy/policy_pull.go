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
	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// errNoChannel is the error of commands about releases without a channel.
var errNoChannel = errors.New("this account follows no channel of releases; set fleet.channel in config.yaml, for example to stable")

func policyPullCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Take the newest release of rules, to be tried in shadow",
		Long: `Asks for the newest release of the channel that config.yaml names (fleet.channel), at the
hub, or in the OCI registry of fleet.registry. A release is verified, checked and tested;
then each audit lets it decide beside the rules in use. Nothing acts by it before that was
a success and its stage is open. After audits it is done every hour.

--from reads a copy of the public folder of the releases, for a machine without network.
--root names the file 1.root.json, which an account that was not enrolled trusts from then on.`,
		Args: cobra.NoArgs,
	}
	folder := cmd.Flags().String("from", "", "`FOLDER` with the public files of the releases")
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
		ctx, cancel := context.WithTimeout(cmd.Context(), checkLimit)
		defer cancel()
		if err := from(ctx, c, *folder, func(f release.Fetcher) error { return h.Pull(ctx, f, time.Now()) }); err != nil {
			return err
		}
		return showReleases(cmd.OutOrStdout(), *h, c.Policies)
	}
	return cmd
}

const (
	maxRoot    = 500_000
	checkLimit = 5 * time.Minute // most of it are the tests of the rules
	fetchLimit = 20 * time.Second
	fileLimit  = 10 * time.Second // of each file
	pullEvery  = time.Hour
)

// from gives the source of releases: a folder, the registry of the configuration, or the hub.
func from(ctx context.Context, c config.Config, folder string, pull func(release.Fetcher) error) error {
	if folder != "" {
		if _, err := os.Stat(filepath.Join(folder, "timestamp.json")); err != nil {
			return fmt.Errorf("%s has no releases: want a copy of the folder public of stackfleet's releases: %w", folder, err)
		}
		return pull(release.Folder(folder))
	}
	if c.Fleet.Registry != "" {
		r, err := oci.Open(c.Fleet.Registry, oci.AuthFiles()...)
		if err != nil {
			return err
		}
		return pull(bounded{r})
	}
	hub := &hubFiles{}
	defer hub.close()
	return pull(hub)
}

// bounded bounds the time of each file.
type bounded struct{ release.Fetcher }

func (b bounded) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fileLimit)
	defer cancel()
	return b.Fetcher.File(ctx, name, limit)
}

// hubFiles fetches from the hub, to which it connects for the first file.
type hubFiles struct {
	hub courier.Hub
	org string
}

// File gets a context for all files: the connection, which all use, ends with it.
func (f *hubFiles) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	if f.hub == nil {
		if err := f.connect(ctx); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fileLimit)
	defer cancel()
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

// fetchIfDue asks for the newest release, at most once an hour. An error is kept in the state of
// the releases, too, from which policy_current reports it.
func fetchIfDue(ctx context.Context, c config.Config, stateHome string) error {
	if c.Fleet.Channel == "" {
		return nil
	}
	if _, err := os.Stat(enroll.MemberPath(stateHome)); err != nil && c.Fleet.Registry == "" {
		return nil // releases come by hand, with --from
	}
	h, err := cli.Releases(c)
	if err != nil {
		return err
	}
	asked, err := h.Asked()
	if since := time.Since(asked); err != nil || 0 < since && since < pullEvery {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	return from(ctx, c, "", func(f release.Fetcher) error { return h.Fetch(ctx, f, time.Now()) })
}

// isHeld reports whether another process of the account is at work on the releases.
func isHeld(err error) bool {
	held := (*lock.HeldError)(nil)
	return errors.As(err, &held)
}

// next fetches the newest release if it is due, unless another unit does that, and checks one
// that was fetched.
func (s *shadow) next(ctx context.Context, isOffline bool, errs io.Writer) {
	if s == nil || ctx.Err() != nil {
		return
	}
	say := func(err error) {
		if err != nil && !isHeld(err) {
			fmt.Fprintf(errs, "stackpolicy: releases: %s\n", text.CleanBlock(err.Error()))
		}
	}
	if !isOffline {
		say(fetchIfDue(ctx, s.config, s.env.StateHome))
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	say(s.host.Prepare(ctx, time.Now()))
}
