// Command try demonstrates audits on a throwaway user manager. It links three sample stacks
// as Home Manager links them, breaks them in the three silent ways, audits, heals, and
// audits again. It changes nothing outside its own scratch folder, and removes that at the
// end.
//
//	go run ./lab/try           the whole demonstration
//	go run ./lab/try --shell   a shell in the manager's namespaces
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

func main() {
	root := flag.String("root", "", "root file system to run in instead of this machine's (see lab/root)")
	shell := flag.Bool("shell", false, "open a shell instead of the demonstration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, usermanager.Options{Root: *root}, *shell); err != nil {
		fmt.Fprintln(os.Stderr, "try:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, options usermanager.Options, shell bool) (err error) {
	if err := usermanager.Available(options); err != nil {
		return fmt.Errorf("no user manager can be started here: %w", err)
	}
	program, remove, err := build(ctx)
	if err != nil {
		return err
	}
	defer remove()
	start := time.Now()
	s, err := scene.Open(ctx, program, options, map[string]string{webUnit: scene.StackUnit("web.service", "first")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Printf("A throwaway user manager (systemd %s) runs as %s; up in %d ms.\n",
		s.Version, s.Username, time.Since(start).Milliseconds())
	if err := s.Podman(scene.Containers()...); err != nil {
		return err
	}
	if shell {
		return openShell(ctx, s)
	}
	return walk(ctx, s)
}

// build compiles stackpolicy.
func build(ctx context.Context) (program string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "stackpolicy-try-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	program = filepath.Join(dir, "stackpolicy")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "stackpolicy/cmd/stackpolicy")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build stackpolicy: %w", err)
	}
	return program, remove, nil
}

// openShell runs a shell of the account in this terminal.
func openShell(ctx context.Context, s *scene.Scene) error {
	fmt.Println("Try: stackpolicy eval; stackpolicy explain web.service; systemctl --user cat web.service")
	fmt.Println("Everything is removed when you leave the shell.")
	cmd := s.Command(ctx, "sh", "-i")
	cmd.Env = append(cmd.Env, "TERM="+os.Getenv("TERM"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr.Foreground = isTerminal()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

func isTerminal() bool {
	info, err := os.Stdin.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
