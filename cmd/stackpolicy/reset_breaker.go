package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
)

func resetBreakerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reset-breaker UNIT|host…",
		Short: "Close the breaker of a unit, so that it can be healed again",
		Long: `A breaker opens when heals of a unit fail or come too often. It then holds back
further heals for a while (settings: breaker). This command closes it and
restores the unit's budget. Repair the cause first.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, subjects []string) error {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			env, err := collect.OfProcess(c)
			if err != nil {
				return err
			}
			return closeBreakers(cmd, env, subjects)
		},
	}
}

func closeBreakers(cmd *cobra.Command, env collect.Environment, subjects []string) error {
	ctx, now := cmd.Context(), time.Now()
	store, err := history.Open(ctx, env.StateHome, now)
	if err != nil {
		return err
	}
	defer store.Close()
	memory, err := store.Recall(ctx, now)
	if err != nil {
		return err
	}
	for _, s := range subjects {
		if memory.Subjects[s].Breaker == nil && memory.Subjects[s+".service"].Breaker != nil {
			s += ".service"
		}
		if memory.Subjects[s].Breaker == nil {
			return fmt.Errorf("no breaker of %q is open", s)
		}
		if err := store.CloseBreaker(ctx, s, now); err != nil {
			return err
		}
	}
	return nil
}
