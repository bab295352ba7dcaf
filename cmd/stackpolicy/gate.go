package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/gate"
	"stackpolicy/internal/foreground"
	"stackpolicy/internal/text"
	"stackpolicy/replay"
	"stackpolicy/report"
)

const gateStatus = `
Exit status:
  0  nothing got worse
  2  something got worse: what, on what, since when
  3  it could not be told, with the reason`

const aboutGate = `Says whether a change made anything worse: a switch to another generation, an update
of images. begin keeps the verdict before the change. end waits until the activation,
jobs, health checks and probes have settled, and compares. run does both around a command.

Worse is a finding that counts and was not there before, or one that became more
severe, or that was a heal and is an alert now. Findings that were there before are
named, and do not count. Both sides are decided with the present rules. A gate only
observes: it heals nothing, sends nothing and is not remembered as an audit.
`

func gateCommand(status *int) *cobra.Command {
	cmd := cli.Group(&cobra.Command{
		Use:   "gate",
		Short: "Say whether a change made anything worse",
		Long:  aboutGate + gateStatus,
	})
	cmd.AddCommand(gateBegin(), gateEnd(status), gateRun(status))
	return cmd
}

// gateFlags are those of a gate's end.
type gateFlags struct {
	policySource
	wait, settle time.Duration
}

func (f *gateFlags) add(cmd *cobra.Command) {
	f.policyFlag(cmd)
	cmd.Flags().DurationVar(&f.wait, "wait", 3*time.Minute, "how long to wait until all has settled; 0 compares at once")
	cmd.Flags().DurationVar(&f.settle, "settle", 5*time.Second, "how long the verdict must stay the same")
}

// maxWait bounds --wait.
const maxWait = 24 * time.Hour

func (f *gateFlags) check() error {
	if f.wait < 0 || f.wait > maxWait || f.settle < 0 || f.settle > maxWait {
		return errors.New("--wait and --settle are times from 0 to 24h, such as 3m")
	}
	return nil
}

func nameFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("name", "default", "name of the gate: changes that overlap need different ones")
}

func gateBegin() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "begin",
		Short: "Keep the verdict before a change",
		Long: `Keeps the facts before a change in the state folder, for gate end. They are good for
this account until the next boot, and for 24 hours. A gate that is still open is not
replaced, because then nobody could say what got worse since it was begun; with
--replace it is. Exit status 3 means that nothing was kept.`,
		Example: "  stackpolicy gate begin && home-manager switch; stackpolicy gate end",
		Args:    cobra.NoArgs,
	}
	name := nameFlag(cmd)
	replace := cmd.Flags().Bool("replace", false, "forget a gate of this name that was not ended")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, release, err := openGate(*name)
		if err != nil {
			return err
		}
		defer release()
		doc, err := gateSnapshot(cmd.Context())
		if err != nil {
			return err
		}
		if err := folder.Begin(*name, doc, *replace); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The gate %s is open. After the change: stackpolicy gate end%s\n", *name, nameOption(*name))
		return err
	}
	return cmd
}

func nameOption(name string) string {
	if name == "default" {
		return ""
	}
	return " --name " + name
}

func gateEnd(status *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end",
		Short: "Wait until a change has settled, and say if anything got worse",
		Long: `Waits until activation, jobs, health checks and probes have settled, and compares the
verdict with the one before the change: that of gate begin or, where no gate was begun,
of the last audit before the change. Which one that is says the Home Manager generation:
the last audit that saw another one. Where none did, --changed says when the change was.

A gate that was begun stays open until nothing is worse: after 2 or 3, correct what is
said, and repeat end.
` + gateStatus,
		Example: `  stackpolicy gate end --wait 5m
  stackpolicy gate end --changed 10m -o json`,
		Args: cobra.NoArgs,
	}
	var f gateFlags
	f.add(cmd)
	name := nameFlag(cmd)
	var changed cli.Ago
	cmd.Flags().Var(&changed, "changed", "how long ago the change began, such as 10m: compare with the last audit before it, and not with gate begin")
	format := cli.OutputFlag(cmd, report.GateFormats())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		folder, release, err := openGate(*name)
		if err != nil {
			return err
		}
		defer release()
		g := &gateRunner{cmd: cmd, flags: f, from: gate.FromMemory}
		kept, err := folder.Open(*name)
		switch {
		case changed == 0 && err == nil:
			g.before, g.from = kept.Document, gate.FromBegin
		case changed != 0 || errors.Is(err, fs.ErrNotExist):
			g.before, err = rememberedBefore(cmd.Context(), time.Duration(changed))
		}
		if err != nil {
			return err
		}
		r, err := g.end(f.wait)
		if err != nil {
			return err
		}
		if g.from == gate.FromBegin && r.ExitCode == finding.LevelOK.ExitCode() {
			if err := folder.End(*name); err != nil {
				return err
			}
		}
		*status = r.ExitCode
		return format.Write(cmd.OutOrStdout(), report.Gated{Result: r, Options: options(cmd.OutOrStdout())})
	}
	return cmd
}

func gateRun(status *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run -- COMMAND [ARG…]",
		Short: "Run a command, and say whether it made anything worse",
		Long: `Observes, runs a command, waits until all has settled, and compares. If the command
fails, its exit status is passed on: what it made worse is said too, at once and without
waiting. If the verdict before cannot be had, the command is not run (3).

An interrupt goes to the command, and its end is waited for; then nothing is compared.
With -o json the command's output goes to standard error.
` + gateStatus + "\n  or the exit status of the command, if it failed",
		Example: `  stackpolicy gate run -- home-manager switch
  stackpolicy gate run --wait 5m -- nixos-rebuild switch`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("gate run takes a command: stackpolicy gate run -- COMMAND [ARG…]")
			}
			return nil
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the command is the command's
	var f gateFlags
	f.add(cmd)
	format := cli.OutputFlag(cmd, report.GateFormats())
	cmd.RunE = func(cmd *cobra.Command, argv []string) error {
		if err := f.check(); err != nil {
			return err
		}
		g := &gateRunner{cmd: cmd, flags: f, from: gate.FromRun}
		var err error
		if g.before, err = gateSnapshot(cmd.Context()); err == nil {
			_, err = g.observer() // a mistake in the rules is one before the change
		}
		if err != nil {
			return fmt.Errorf("%w; %s was not run", err, argv[0])
		}
		failed, err := runInForeground(cmd, argv, format.String() != "text")
		if err != nil {
			return err
		}
		if *status = failed; cmd.Context().Err() != nil {
			*status = cmp.Or(failed, finding.LevelUnknown.ExitCode())
			fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: %s ended with status %d; nothing was compared. What is wrong now: stackpolicy eval\n", text.Clean(argv[0]), failed)
			return nil
		}
		wait := f.wait
		if failed != 0 {
			wait = 0
		}
		r, err := g.end(wait)
		if err != nil {
			return withStatus(err, failed, cmd.ErrOrStderr())
		}
		if r.Command = (&gate.Command{Argv: argv, Status: failed}); failed == 0 {
			*status = r.ExitCode
		}
		return format.Write(cmd.OutOrStdout(), report.Gated{Result: r, Options: options(cmd.OutOrStdout())})
	}
	return cmd
}

// withStatus is an error after a command that failed: then its exit status is what counts.
func withStatus(err error, failed int, errs io.Writer) error {
	if failed == 0 {
		return err
	}
	fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	return nil
}

func runInForeground(cmd *cobra.Command, argv []string, toStderr bool) (status int, err error) {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if toStderr {
		out = cmd.ErrOrStderr()
	}
	signal := func() os.Signal {
		if _, was := cli.Interrupted(ctx); was {
			return os.Interrupt
		}
		return syscall.SIGTERM
	}
	cli.Patient()
	return foreground.Run(ctx, argv, cmd.InOrStdin(), cli.Raw(out), cli.Raw(cmd.ErrOrStderr()), signal)
}

// openGate takes the lock of a gate.
func openGate(name string) (folder gate.Folder, release func(), err error) {
	env, err := gateEnvironment()
	if err != nil {
		return folder, nil, err
	}
	boot, err := gate.BootID()
	if err != nil {
		return folder, nil, err
	}
	folder = gate.Folder{StateHome: env.StateHome, UID: env.UID, Boot: boot, Now: time.Now}
	release, err = folder.Lock(name)
	return folder, release, err
}

// rememberedBefore returns the facts of the last audit before a change, which was some time
// ago, or at a time that the facts say.
func rememberedBefore(ctx context.Context, changed time.Duration) (doc *facts.Document, err error) {
	store, err := openHistory(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no gate was begun, and there was no audit yet; begin before the change: stackpolicy gate begin")
	}
	if err != nil {
		return nil, err
	}
	defer store.Close()
	now, err := gateSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	at := time.Time{}
	if changed != 0 {
		at = now.CollectedAt.Add(-changed)
	}
	return gate.Remembered(ctx, replay.Of(store), now, at)
}

// ownUnit is the unit in which this process runs; "" for none.
func ownUnit(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		if name := path.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") && !strings.HasPrefix(name, "user@") {
			return name
		}
	}
	return ""
}
