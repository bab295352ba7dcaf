// Command shell opens a shell on a throwaway machine: a Debian of its own with
// systemd, rootless podman and a sample stack that Home Manager's links declare,
// and with stackpolicy and stackctl installed. Whatever is done in it stays in
// it, and all of it goes when the shell ends.
//
//	go run ./lab/shell             Debian trixie: systemd 257, podman 5.4
//	go run ./lab/shell bookworm    systemd 252, podman 4.3
//
// It needs root, systemd-nspawn, and for the first time mmdebstrap and a minute
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

// spoil puts a copy where Home Manager's link was.
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
	if err := furnish(ctx, m); err != nil {
		return err
	}
	fmt.Print(hint)
	return open(ctx, m)
}

// furnish installs the programs, and starts the sample stack.
func furnish(ctx context.Context, m *machine.Machine) error {
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
	return raise(ctx, m)
}

// open gives the terminal to a login shell of the machine's user. script(1)
// gives it a terminal of the machine's own, for job control.
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
		return nil // how the last command in it ended is no failure of the shell
	}
	return err
}
