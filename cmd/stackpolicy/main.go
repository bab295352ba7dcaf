// Stackpolicy audits the systemd user units that run container stacks: it
// snapshots the facts, lets Rego rules decide for every invariant whether that
// is allow, heal or block, and runs only safe actions. See stackpolicy --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run does one command and returns its exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a reader that has seen enough is no fault
		return a.status
	}
	fmt.Fprintf(errs, "stackpolicy: %s\n", cleanLines(err.Error()))
	return audit.ExitUnknown
}

// app is what commands share: where policies and facts come from, and the exit
// status of the verdict.
type app struct {
	policyDir string
	factsFile string
	status    int
}

const about = `Audits the systemd user units that run container stacks.

It takes a snapshot of what the user manager has loaded, what stands on disk,
what Home Manager declares and which containers run, and lets Rego rules decide
for every invariant: allow, heal, or block and alert. It changes nothing unless
told to (--enforce), and then only reloads the manager, forgets failures of
units that are gone, and restarts units that were opted in.`

const exitStatus = `
Exit status:
  0  every invariant holds, healed ones included
  1  warning: tickets, or heals that were not done
  2  critical: a page, or a heal that failed
  3  unknown: could not look or decide, bad policy, bad usage, nothing managed
The highest wins: 2 over 3 over 1.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "stackpolicy",
		Short:         "Audit systemd user units that run container stacks",
		Long:          about + "\n" + exitStatus,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return errors.New("no command given")
		},
	}
	root.AddCommand(a.eval(), a.facts(), a.explain(), a.policy(), version())
	return root
}

// cleanLines makes an error's text harmless, line by line.
func cleanLines(s string) string {
	var out []byte
	for i, line := range splitLines(s) {
		if i > 0 {
			out = append(out, "\n  "...)
		}
		out = append(out, report.Clean(line)...)
	}
	return string(out)
}
