package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/stack"
)

const prefetchLimit = 30 * time.Minute

func (a *app) prefetch() *cobra.Command {
	var file string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "prefetch [STACK…]",
		Short: "Fetch and build the images that the next apply needs",
		Long: `Fetches the images that are missing, and builds those with "build:", before a
switch or a restart: then the apply is short, and needs no registry. Changes no
container. Without a name it does so for all stacks; the exit status is the
highest. --config reads the stacks of a generation that is not active yet.`,
		ValidArgsFunction: completeStacks,
	}
	cmd.Flags().StringVar(&file, "config", "", "read this config.yaml instead of the account's own")
	cmd.Flags().DurationVar(&timeout, "timeout", prefetchLimit, "longest wait for each stack")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if timeout <= 0 {
			return fmt.Errorf("--timeout %s is no time to wait; give one such as 10m", timeout)
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
