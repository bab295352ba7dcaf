package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/journal"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/text"
	"stackpolicy/stack"
)

func (a *app) preflight() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "preflight STACK",
		Short: "Check whether a stack can be applied; changes no container",
		Long: `Checks the compose files, env files and secrets (they exist, can be read, are
not open to others), the labels of auto-updated services, whether podman
answers, whether a compose provider is installed where one is needed, whether
registries answer (registries: true), and whether another apply is running. Then
it makes the plan of an apply, and refuses one that would lose data or fail
after the old containers are gone. Changes no container.`,
	}, never, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report { return o.Preflight(ctx, s) })
}

func (a *app) apply() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "apply STACK",
		Short: "Bring a stack's containers to what its compose files say",
		Long: `Fetches and builds images, replaces the containers whose definition or image
changed, removes those of services that are gone, and proves that every
container is what the compose files say. What was applied is recorded, so that
an audit can find out when it is no longer what is declared.
Only one apply of a stack runs at a time. Where the stack has "on_failure:
rollback", an apply that fails after it changed containers brings back what was
verified last.`,
	}, rollsBack, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report { return o.Apply(ctx, s) })
}

func (a *app) verify() *cobra.Command {
	var timeout time.Duration
	cmd := a.verb(&cobra.Command{
		Use:   "verify STACK",
		Short: "Wait until a stack is up and stays up",
		Long: `Asks the audit's rule (stack_running) again and again, until it has found
nothing wrong for the settle time: every service of the compose files is there,
runs, is healthy where it has a check, did not start again, and one-shots exited
0. Then it compares the containers with what is declared: their definitions and
images. Otherwise it says which service or container is wrong and why. In the
stack's unit it then brings back what was verified last, where the stack has
"on_failure: rollback"; by hand it changes nothing.`,
	}, always, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report {
		return o.Verify(ctx, s, timeout)
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("timeout") && timeout <= 0 {
			return fmt.Errorf("--timeout %s is no time to wait; give one such as 60s", timeout)
		}
		return nil
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "longest wait (default: verify.timeout in config.yaml)")
	return cmd
}

func (a *app) adopt() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "adopt STACK",
		Short: "Record what runs as applied, where it is what is declared",
		Long: `For a stack whose containers another program made, or whose record was lost:
verifies the stack, compares each container with the compose files, and records
what runs as applied. It changes no container. The next apply still replaces
containers that stackctl did not make.`,
	}, always, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report { return o.Adopt(ctx, s) })
}

func (a *app) down() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down STACK",
		Short: "Stop a stack's containers, unless its unit restarts",
		Long: `For ExecStop= of the stack's unit: stops the containers, dependents first, each
within its grace period, and removes none. While the unit restarts it leaves them
running: systemd stops a unit before it starts it, and then preflight can still
refuse. A stack that the configuration no longer has is stopped as it was last
applied. Give the unit a TimeoutStopSec= that is longer than the longest grace.`,
		Args: oneStack, ValidArgsFunction: completeStacks,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cli.ReadConfig()
		if err != nil {
			return err
		}
		env, err := collect.OfProcess(c)
		if err != nil {
			return err
		}
		s, err := stack.FindRemoved(c, env.StateHome, args[0])
		if err != nil {
			return err
		}
		return a.do(cmd, c, s, false, func(ctx context.Context, o *stack.Operator, s stack.Stack) stack.Report { return o.Down(ctx, s) })
	}
	return cmd
}

type verb func(context.Context, *stack.Operator, stack.Stack) stack.Report

// Whether a verb asks the rules about a stack.
func never(stack.Stack) bool       { return false }
func always(stack.Stack) bool      { return true }
func rollsBack(s stack.Stack) bool { return s.OnFailure == config.Rollback }

// verb makes a command that does one verb on one stack.
func (a *app) verb(cmd *cobra.Command, asksRules func(stack.Stack) bool, do verb) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = oneStack, completeStacks
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cli.ReadConfig()
		if err != nil {
			return err
		}
		s, err := stack.Find(c, args[0])
		if err != nil {
			return err
		}
		return a.do(cmd, c, s, asksRules(s), do)
	}
	return cmd
}

// do does one verb on one stack, and announces how it ended.
func (a *app) do(cmd *cobra.Command, c config.Config, s stack.Stack, asksRules bool, do verb) error {
	o, done, err := operator(cmd.Context(), c, asksRules)
	if err != nil {
		return err
	}
	defer done()
	p := newProgress(cmd.ErrOrStderr())
	o.Output, o.Progress = p.line, p.show
	r := do(cmd.Context(), o, s)
	p.clear()
	a.status = max(a.status, r.Outcome.Status)
	if err := systemd.NotifyStatus(a.socket, shortly(r)); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return announce(cmd.OutOrStdout(), r)
}

func oneStack(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the name of one stack, got %d; usage: %s", len(args), cmd.UseLine())
	}
	return nil
}

// announce writes a report to the journal, and also to the output unless the output goes to
// the journal.
func announce(out io.Writer, r stack.Report) error {
	err := journal.Send(entry(r))
	if err == nil && journal.Connected(os.Stdout) {
		return nil
	}
	answer := describe(r)
	if err != nil && !errors.Is(err, journal.ErrNoJournal) {
		answer += "  " + text.Clean(err.Error()) + "\n" // no reason to fail a stack that is up
	}
	_, err = io.WriteString(out, answer)
	return err
}

// shortly is one line for systemctl status.
func shortly(r stack.Report) string {
	says := r.Verb + ": " + text.Clip(text.Clean(r.Message), 300)
	if r.Hint != "" {
		says += "; next: " + text.Clean(r.Hint)
	}
	return says
}

// describe says what happened and what to do next, and then the details: of an entry
// of several lines, systemctl status shows the first ones.
func describe(r stack.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", r.Stack, r.Verb, text.Clean(r.Message))
	if r.Hint != "" {
		fmt.Fprintf(&b, "next: %s\n", text.Clean(r.Hint))
	}
	for _, d := range r.Details {
		fmt.Fprintf(&b, "  %s\n", text.Clean(d))
	}
	return b.String()
}

func entry(r stack.Report) journal.Entry {
	return journal.Entry{
		MessageID: r.Outcome.MessageID, Priority: r.Outcome.Priority,
		Message:  strings.TrimRight(describe(r), "\n"),
		UserUnit: r.Unit,
		Fields: map[string]string{
			"STACKPOLICY_STACK": r.Stack, "STACKPOLICY_VERB": r.Verb, "STACKPOLICY_OUTCOME": r.Outcome.Name,
			"STACKPOLICY_STATUS": fmt.Sprint(r.Outcome.Status), "STACKPOLICY_HINT": r.Hint,
		},
	}
}
