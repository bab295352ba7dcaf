// Stackpolicy audits the systemd user units that run container stacks: it takes a
// snapshot of the facts, lets Rego rules decide for every invariant whether the result
// is allow, heal or block, and runs only safe actions. See stackpolicy --help.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/finding"
	"stackpolicy/internal/journal"
	"stackpolicy/internal/text"
)

// After how much growth, in percent, garbage is collected. A small document can be
// judged before the first garbage collection, which saves a fifth of the time. With a
// large document, that much growth would be most of the memory.
const (
	gcPercent      = 400
	gcPercentLarge = 130
	large          = 200 // units
)

func main() {
	debug.SetGCPercent(gcPercent)
	cli.ServeRules()
	ctx, stop := cli.Context(cli.LastWait)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the exit status must not change because a reader stopped
	os.Exit(run(ctx, os.Args[1:], os.Stdin, cli.Localized(os.Stdout), cli.Localized(os.Stderr)))
}

// run runs one command and returns its exit status. If a report could not be written,
// the status is unknown, or that of the report if that is worse. What was interrupted is
// not known to be complete, also if it reported something. The log of an audit's unit says
// what its status means: systemd has words for numbers that mean something else here.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{}
	status := a.run(ctx, args, in, out, errs)
	if f, ok := cli.Raw(errs).(*os.File); ok && a.audits && status != 0 && journal.Connected(f) {
		fmt.Fprintf(errs, "stackpolicy: exit status %d means %s\n", status, meanings[status])
	}
	return status
}

func (a *app) run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if status, was := cli.Interrupted(ctx); was {
		fmt.Fprintln(errs, "stackpolicy: interrupted")
		return status
	}
	if err == nil || cli.SeenEnough(err) {
		return a.status
	}
	fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	if a.status == finding.LevelCritical.ExitCode() {
		return a.status
	}
	return finding.LevelUnknown.ExitCode()
}

// app has what commands share: where policies and facts come from, and the exit status
// of the verdict.
type app struct {
	policySource
	factSource
	shadow      *shadow // of the audit; nil: no release is tried
	status      int
	audits      bool // the command is eval
	queueAlerts bool
}

const about = `Audits the systemd user units that run container stacks.

It takes a snapshot of what the user manager has loaded, what is on disk, what Home
Manager declares and which containers run. Rego rules decide for every invariant:
allow, heal, or block and alert. Without --enforce it changes nothing. With it, it
only reloads the manager, resets failures of units that no longer exist, and
restarts units that the settings opt in.`

// meanings are those of the exit statuses of an audit.
var meanings = map[int]string{
	0: "every invariant holds, or was healed",
	1: "warning: tickets, or heals that were not done",
	2: "critical: a page, or a heal that failed",
	3: "unknown: could not collect or decide, bad policy or usage, nothing managed",
}

func exitStatus() string {
	var b strings.Builder
	b.WriteString("\nExit status:\n")
	for status := range len(meanings) {
		fmt.Fprintf(&b, "  %d  %s\n", status, meanings[status])
	}
	return b.String() + "If several apply, 2 goes before 3, and 3 before 1. After Ctrl-C it is 130, whatever\nwas found until then."
}

func (a *app) root() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "stackpolicy",
		Short: "Audit systemd user units that run container stacks",
		Long:  about + "\n" + exitStatus(),
	})
	root.AddCommand(
		a.eval(), a.watch(), a.explain(), blameCommand(), statusCommand(&a.status), historyCommand(), replayCommand(&a.status), impactCommand(&a.status), gateCommand(&a.status), drillCommand(), reportCommand(), factsCommand(&a.status),
		policyCommand(&a.status), initCommand(), resetBreakerCommand(), sendAlertsCommand(&a.status),
		holdCommand(), releaseCommand(), waiveCommand(&policySource{}), unwaiveCommand(), enrollCommand(), versionCommand(),
		cli.Man(manual()), schemaCommand(), unitsCommand(),
	)
	return root
}
