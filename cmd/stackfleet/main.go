// Stackfleet is the hub of a fleet: the broker that hosts send signed evidence to, the registry
// of the hosts that an operator enrolled, and the operator's verbs. The program of a host is
// stackpolicy. See stackfleet --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/internal/text"
)

func main() {
	cli.ServeRules()
	ctx, stop := cli.Context(stopLimit)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that went away must not end the broker
	os.Exit(run(ctx, os.Args[1:], os.Stdin, cli.Localized(os.Stdout), cli.Localized(os.Stderr)))
}

// stopLimit is how long the parts of the hub may take to end after a signal.
const stopLimit = 30 * time.Second

// failed is the exit status of a command that could not do what was asked.
const failed = 3

// run does one command and returns its exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if status, was := cli.Interrupted(ctx); was && !a.endsBySignal {
		fmt.Fprintln(errs, "stackfleet: interrupted")
		return status
	}
	if err == nil || cli.SeenEnough(err) {
		return a.status
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errors.New("a signal ended it")
	}
	fmt.Fprintf(errs, "stackfleet: %s\n", text.CleanBlock(err.Error()))
	return max(a.status, failed)
}

// app is what commands share.
type app struct {
	data         string // the hub's folder; "" is the default
	status       int    // the exit status of what was done
	endsBySignal bool   // a signal is the way to end the command
}

const about = `The hub of a fleet of hosts that stackpolicy audits.

Hosts send signed evidence to it over NATS with TLS. It offers signed bytes to them
and collects signed bytes from them; no message can make a host act.

The first host, on two terminals:

  hub$   stackfleet serve
  hub$   stackfleet enroll web
  host$  stackpolicy enroll TOKEN

Exit status:
  0  done
  3  not done: the message says why, and what to do
After Ctrl-C it is 130, but for serve and page, which end that way.`

func (a *app) root() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "stackfleet",
		Short: "The hub of a fleet of audited hosts",
		Long:  about,
	})
	root.PersistentFlags().StringVar(&a.data, "data", "", "`FOLDER` of the hub (default ~/.local/state/stackfleet)")
	root.AddCommand(
		a.serve(), a.enroll(), a.revoke(), a.members(), a.brokerConfig(),
		a.release(), a.statusCommand(), a.pageCommand(), a.alertCommand(),
		a.archiveCommand(), a.exportCommand(), a.verifyCommand(), a.acceptCommand(), a.impactCommand(), a.askCommand(), a.workerCommand(),
		version(), cli.Man(manual()),
	)
	return root
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cli.Takes(),
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintf(cmd.OutOrStdout(), "stackfleet %s\n", cli.Version()) },
	}
}

// folder returns the hub's folder, as an absolute path.
func (a *app) folder() (string, error) {
	if a.data != "" {
		return filepath.Abs(a.data)
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "stackfleet"), nil
	}
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("HOME is not set: name the hub's folder with --data")
	}
	return filepath.Join(home, ".local/state/stackfleet"), nil
}
