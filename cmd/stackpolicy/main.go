// Stackpolicy audits the systemd user units that run container stacks: it
// snapshots the facts, lets Rego rules decide for every invariant whether that
// is allow, heal or block, and runs only safe actions. See stackpolicy --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackpolicy/audit"
	"stackpolicy/report"
)

// How often memory is collected, in percent of growth. What judging a small
// document takes fits in the first collection's margin, which saves a fifth of
// the time; with a large one the margin would be most of the memory.
const (
	gcPercent      = 400
	gcPercentLarge = 200
	large          = 200 // units
)

func main() {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the exit status stands, whoever stopped reading
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run does one command and returns its exit status. A report that could not be
// written is unknown, unless what it says is worse.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil || seenEnough(err) {
		return a.status
	}
	fmt.Fprintf(errs, "stackpolicy: %s\n", cleanLines(err.Error()))
	if a.status == audit.ExitCritical {
		return a.status
	}
	return audit.ExitUnknown
}

// seenEnough: the reader of standard output went away, which is no fault.
func seenEnough(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Path == os.Stdout.Name() && errors.Is(at, syscall.EPIPE)
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
		Args:          knownCommand,
		RunE:          noCommand,
	}
	root.SetFlagErrorFunc(knownFlag)
	root.AddCommand(a.eval(), a.facts(), a.explain(), a.policy(), version())
	return root
}

// noCommand shows the help of a command that does nothing by itself.
func noCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return errors.New("no command given")
}

// knownCommand refuses what is no command, and lists those there are.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return fmt.Errorf("unknown command %q for %q; there are: %s", args[0], cmd.CommandPath(), strings.Join(known, ", "))
}

// knownFlag adds the flags there are to the error about one there is not.
func knownFlag(cmd *cobra.Command, err error) error {
	if !strings.HasPrefix(err.Error(), "unknown ") {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	return fmt.Errorf("%w; %q knows: %s", err, cmd.CommandPath(), strings.Join(known, ", "))
}

// cleanLines makes an error's text harmless, line by line.
func cleanLines(s string) string {
	var out []byte
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			out = append(out, "\n  "...)
		}
		out = append(out, report.Clean(line)...)
	}
	return string(out)
}
