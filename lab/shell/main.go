// Command shell opens a shell on a throwaway machine: a Debian with systemd, rootless
// podman, stackpolicy, stackctl, and a sample stack that is declared by Home Manager's
// links. Nothing that is done in it changes the host, and the machine is removed when the
// shell ends.
//
//	go run ./lab/shell             Debian trixie: systemd 257, podman 5.4
//	go run ./lab/shell bookworm    systemd 252, podman 4.3
//
// It needs root and systemd-nspawn. The first time it also needs mmdebstrap and a minute
// or two.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"stackpolicy/lab/machine"
)

// spoil is a command that replaces Home Manager's link with a copy of the file.
const spoil = `cp --remove-destination "$(realpath ~/.config/systemd/user/web.service)" ~/.config/systemd/user/`

const hint = `
Try, one after the other:

    stackctl status
    stackpolicy eval
    podman kill web_app_1; stackpolicy eval
    systemctl --user restart web.service; stackpolicy eval
    ` + spoil + `
    stackpolicy eval; stackpolicy explain web.service
    journalctl --user -e

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shell:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	var options machine.Options
	switch len(args) {
	case 0:
	case 1:
		options.Suite = args[0]
	default:
		return errors.New("usage: shell [DEBIAN-SUITE]")
	}
	if err := machine.Available(options); err != nil {
		return err
	}
	start := time.Now()
	m, err := machine.Boot(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	fmt.Printf("A %s runs, up in %d ms. Its stack is being built and started …\n", m.Suite, time.Since(start).Milliseconds())
	if err := prepare(ctx, m); err != nil {
		return err
	}
	fmt.Print(hint)
	return open(ctx, m)
}

// prepare installs the programs and starts the sample stack.
func prepare(ctx context.Context, m *machine.Machine) error {
	dir, err := os.MkdirTemp("", "stackpolicy-shell-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "stackpolicy/cmd/stackpolicy", "stackpolicy/cmd/stackctl")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	for _, program := range []string{"stackpolicy", "stackctl"} {
		if _, err := m.Install(filepath.Join(dir, program)); err != nil {
			return err
		}
	}
	return startSample(ctx, m)
}

// open runs a login shell of the machine's user in this terminal. script(1) gives the
// shell a terminal inside the machine, which job control needs.
func open(ctx context.Context, m *machine.Machine) error {
	argv := []string{"bash", "--login"}
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	if terminal {
		argv = []string{"script", "--quiet", "--return", "--command", "bash --login", "/dev/null"}
	}
	cmd := m.Command(ctx, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr.Foreground = terminal
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil // the status of the last command typed in it is no failure of the shell
	}
	return err
}
