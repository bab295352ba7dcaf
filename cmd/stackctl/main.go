// Stackctl makes a restart of a container stack a transaction: preflight,
// apply and verify are what the stack's systemd unit calls, and status shows
// how a stack is. See stackctl --help.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/text"
	"stackpolicy/stack"
)

func main() {
	cli.ServeRules()
	ctx, stop := cli.Context(0)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that went away must not cut an apply
	socket := os.Getenv(notifySocket)
	os.Unsetenv(notifySocket) // podman would hand it on to containers, and wait for them to use it
	os.Exit(run(ctx, os.Args[1:], cli.Localized(os.Stdout), cli.Localized(os.Stderr), socket))
}

const notifySocket = "NOTIFY_SOCKET"

// run does one command and returns its exit status. The socket is the manager's, for
// the status of the unit that runs this; "" without one. A verb that was interrupted has a
// status of its own, which says what it left.
func run(ctx context.Context, args []string, out, errs io.Writer, socket string) int {
	a := &app{socket: socket}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(""))
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if status, was := cli.Interrupted(ctx); was && (err != nil || a.status == 0) {
		fmt.Fprintln(errs, "stackctl: interrupted")
		return status
	}
	if err == nil || cli.SeenEnough(err) {
		return a.status
	}
	fmt.Fprintf(errs, "stackctl: %s\n", text.CleanBlock(err.Error()))
	return max(a.status, stack.Usage.Status)
}

// app is what commands share: the exit status of what was done.
type app struct {
	status int
	socket string // of the manager that wants to know the status
}

const about = `Applies container stacks and verifies that they are up.

A stack's unit calls preflight, apply and verify in that order, so that
"systemctl --user restart" succeeds only when the stack is up and stays up:

  [Unit]
  StartLimitIntervalSec=10min
  StartLimitBurst=6

  [Service]
  Type=oneshot
  RemainAfterExit=yes
  NotifyAccess=exec
  TimeoutStartSec=8min
  ExecStartPre=stackctl preflight web
  ExecStart=stackctl apply web
  ExecStartPost=stackctl verify web --timeout=60s
  ExecStop=stackctl down web
  TimeoutStopSec=2min
  Restart=on-failure
  RestartSec=30
  SuccessExitStatus=24

Stacks are described in ~/.config/stackpolicy/config.yaml. STACK is a stack's
name there, or its unit's. What a verb did is in the journal too.`

func (a *app) root() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "stackctl",
		Short: "Apply container stacks and verify that they are up",
		Long:  about + "\n\n" + exitStatus(),
	})
	root.AddCommand(a.preflight(), a.apply(), a.verify(), a.adopt(), a.prefetch(), a.down(), a.statusCommand(), version(), cli.Man(manual()))
	return root
}

func exitStatus() string {
	var b strings.Builder
	b.WriteString("Exit status:\n")
	last := -1
	for _, o := range stack.Outcomes() {
		if o.Status == 0 && last == 0 {
			continue
		}
		meaning := o.Meaning
		if last = o.Status; o.Status == 0 {
			meaning = "done; for status: every stack is up"
		}
		fmt.Fprintf(&b, "  %2d  %s\n", o.Status, meaning)
	}
	return strings.TrimRight(b.String(), "\n")
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintf(cmd.OutOrStdout(), "stackctl %s\n", cli.Version()) },
	}
}

// byHand is the manager for a verb that no unit runs: the unit's job and its restarts are
// not about it.
type byHand struct{ *systemd.User }

func (byHand) Job(context.Context, string) (string, error)   { return "", nil }
func (byHand) Restarts(context.Context, string) (int, error) { return 0, nil }

// operator is the one of the account that runs this. It knows what audits
// remember, so that it judges as they do. Call done at the end.
func operator(ctx context.Context, c config.Config, asksRules bool) (o *stack.Operator, done func(), err error) {
	env, err := collect.OfProcess(c)
	if err != nil {
		return nil, nil, err
	}
	env.Storage = nil // no rule about a stack reads it, and it takes podman a while
	env.Memory, done = cli.Recall(ctx, env)
	o = &stack.Operator{
		Env: env, Podman: podman.Of(env.RuntimeDir), HTTP: http.DefaultClient,
		Environ: os.Environ(), Invocation: os.Getenv("INVOCATION_ID"), Scope: compose.Scope,
		Output: func(string) {}, Progress: func(string) {},
	}
	manager := &systemd.User{RuntimeDir: env.RuntimeDir, BusAddress: env.BusAddress}
	if o.Manager = manager; o.Invocation == "" {
		o.Manager = byHand{manager}
	}
	if asksRules {
		o.Policies, err = cli.LoadInUse(ctx, "", c, nil)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return o, done, nil
}
