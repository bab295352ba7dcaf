package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/homemanager"
	"stackpolicy/internal/systemd"
	"stackpolicy/stack"
)

const prefetchLimit = 30 * time.Minute

func (a *app) prefetch() *cobra.Command {
	var file, generation string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "prefetch [STACK…]",
		Short: "Fetch and build the images that the next apply needs",
		Long: `Fetches the images that are missing, and builds those with "build:", before a
switch or a restart: then the apply is short, and needs no registry. Changes no
container. Without a name it does so for all stacks; the exit status is the
highest. --generation reads the stacks of a Home Manager generation, or of a
NixOS system, that was built and is not active yet.`,
		ValidArgsFunction: completeStacks,
	}
	cmd.Flags().StringVar(&generation, "generation", "", "`PATH` of what was built, such as ./result")
	cmd.Flags().StringVar(&file, "config", "", "read this config.yaml instead of the account's own")
	cmd.MarkFlagsMutuallyExclusive("config", "generation")
	cmd.Flags().DurationVar(&timeout, "timeout", prefetchLimit, "longest wait for each stack")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if timeout <= 0 {
			return fmt.Errorf("--timeout %s is no time to wait; give one such as 10m", timeout)
		}
		if generation != "" {
			var err error
			if file, err = configOf(generation); err != nil {
				return err
			}
		}
		c, err := configAt(file)
		if err != nil {
			return err
		}
		stacks, err := wanted(c, names)
		if err != nil {
			return err
		}
		for _, s := range stacks {
			err := a.do(cmd, c, s, false, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report {
				return o.Prefetch(ctx, s, timeout)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// configOf returns the account's configuration in a generation that was built.
func configOf(generation string) (string, error) {
	account, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out who runs this: %w", err)
	}
	files, err := homemanager.Built(generation, "home-manager-"+systemd.Escape(account.Username)+".service")
	if err != nil {
		return "", err
	}
	folder := ".config" // $XDG_CONFIG_HOME may be elsewhere in the home
	if below, isInHome := strings.CutPrefix(collect.ConfigHome(), os.Getenv("HOME")+"/"); isInHome {
		folder = below
	}
	return config.Path(filepath.Join(files, folder)), nil
}

// configAt reads the configuration in a file, or the account's own.
func configAt(file string) (config.Config, error) {
	if file == "" {
		return cli.ReadConfig()
	}
	c, err := config.Read(file)
	if err == nil && len(c.Stacks) == 0 {
		err = errors.New(file + " describes no stacks, or does not exist")
	}
	return c, err
}
