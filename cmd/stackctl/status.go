package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/stack"
)

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [STACK…]",
		Short: "Show how stacks are: up, apply failed, degraded, down, unknown",
		Long: `Shows how each stack is, without changing anything:
  up               every service is up
  up-apply-failed  every service is up, but the last apply failed
  degraded         some services are not up, or not yet
  down             nothing of it runs
  unknown          it could not be found out
Without a name it shows all stacks; the exit status is the highest.`,
		ValidArgsFunction: completeStacks,
	}
	format := cli.OutputFlag(cmd, statusFormats())
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		list, err := statusOf(cmd.Context(), names)
		if err != nil {
			return err
		}
		for _, s := range list {
			a.status = max(a.status, s.Outcome().Status)
		}
		return format.Write(cmd.OutOrStdout(), observed{list, time.Now()})
	}
	return cmd
}

// observed is the state of some stacks at a time.
type observed struct {
	list []stack.Status
	now  time.Time
}

func statusFormats() []output.Format[observed] {
	return []output.Format[observed]{{Name: "text", Write: writeText}, {Name: "json", Write: writeJSON}}
}

func statusOf(ctx context.Context, names []string) ([]stack.Status, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, err
	}
	stacks, err := wanted(c, names)
	if err != nil {
		return nil, err
	}
	o, done, err := operator(ctx, c, true)
	if err != nil {
		return nil, err
	}
	defer done()
	list, err := o.Status(ctx, stacks)
	return list, cmp.Or(err, ctx.Err())
}

func wanted(c config.Config, names []string) (stacks []stack.Stack, err error) {
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(c.Stacks))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the configuration describes no stacks; add them under stacks in config.yaml")
	}
	for _, name := range names {
		s, err := stack.Find(c, name)
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, s)
	}
	return stacks, nil
}

func writeJSON(out io.Writer, in observed) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Schema string         `json:"schema"`
		Stacks []stack.Status `json:"stacks"`
	}{stack.StatusSchema, in.list})
}

// verdicts are the words for an operator.
var verdicts = map[string]string{"up-apply-failed": "up, but the last apply failed"}

func writeText(out io.Writer, in observed) error {
	var b strings.Builder
	for i, s := range in.list {
		if i > 0 {
			b.WriteByte('\n')
		}
		verdict := verdicts[s.State]
		if verdict == "" {
			verdict = s.State
		}
		fmt.Fprintf(&b, "%s: %s\n", s.Stack, verdict)
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, c := range s.Services {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", text.Clean(c.Service), condition(c, in.now), text.Clean(c.Container))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		remarks(&b, s, in.now)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func condition(c stack.ServiceStatus, now time.Time) string {
	state := text.Clean(c.State)
	switch {
	case c.State == "running" && c.StartedAt != nil:
		state = "running for " + age(now.Sub(*c.StartedAt))
	case c.State == "exited":
		state = fmt.Sprintf("exited (%d)", c.ExitCode)
	}
	if c.Health != "" && c.State == "running" {
		state += ", " + text.Clean(c.Health)
	}
	if c.Restarts > 0 {
		state += fmt.Sprintf(", restarts: %d", c.Restarts)
	}
	return state
}

func remarks(b *strings.Builder, s stack.Status, now time.Time) {
	fmt.Fprintf(b, "  unit: %s is %s", s.Unit, text.Clean(cmp.Or(s.ActiveState, "in a state that could not be determined")))
	if s.Result != "" && s.Result != "success" {
		fmt.Fprintf(b, " (%s)", text.Clean(s.Result))
	}
	b.WriteByte('\n')
	lastApply(b, s, now)
	for _, p := range s.Problems {
		fmt.Fprintf(b, "  problem: %s\n", text.Clean(p))
	}
	for _, f := range s.Audit {
		fmt.Fprintf(b, "  audit: %s (%s): %s\n", f.Invariant, f.Severity, text.Clean(f.Message))
	}
	if s.Hint != "" {
		fmt.Fprintf(b, "  next: %s\n", text.Clean(s.Hint))
	}
}

// lastApply says when the stack was applied, and how the last apply ended.
func lastApply(b *strings.Builder, s stack.Status, now time.Time) {
	var parts []string
	if s.AppliedAt != nil {
		parts = append(parts, fmt.Sprintf("applied %s ago", age(now.Sub(*s.AppliedAt))))
	} else if s.LastStatus != 0 {
		parts = append(parts, "never applied")
	}
	if s.LastStatus != 0 {
		parts = append(parts, fmt.Sprintf("then %s ended with %d: %s", s.LastStep, s.LastStatus, text.Clean(s.LastMessage)))
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(parts, "; "))
	}
}

// age is a duration in its largest unit.
func age(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= unit.of {
			return fmt.Sprintf("%d%s", d/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%ds", max(0, d/time.Second))
}

func completeStacks(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offered []string
	for _, name := range slices.Sorted(maps.Keys(c.Stacks)) {
		if strings.HasPrefix(name, begun) && !slices.Contains(given, name) {
			offered = append(offered, name)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
