package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"stackpolicy/lab/machine"
)

// pollInterval is how often until tries.
const pollInterval = 100 * time.Millisecond

// user COMMAND… runs a command in the machine as its user.
func user() { enter((*machine.Entry).Command) }

// root COMMAND… runs a command in the machine as root.
func root() { enter((*machine.Entry).RootCommand) }

// until SECONDS COMMAND… repeats a command as the user until it succeeds, and shows its
// last output.
func until() {
	os.Exit(inside(func(ctx context.Context, e *machine.Entry) error {
		if len(os.Args) < 3 {
			return errors.New("usage: until SECONDS COMMAND…")
		}
		seconds, err := strconv.Atoi(os.Args[1])
		if err != nil {
			return fmt.Errorf("until: %w", err)
		}
		return retry(ctx, time.Duration(seconds)*time.Second, func() ([]byte, error) {
			return e.Command(ctx, os.Args[2:]...).CombinedOutput()
		})
	}))
}

func retry(ctx context.Context, limit time.Duration, try func() ([]byte, error)) error {
	for end := time.Now().Add(limit); ; {
		out, err := try()
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			_, writing := os.Stdout.Write(out)
			return errors.Join(err, writing)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollInterval):
		}
	}
}

func enter(command func(*machine.Entry, context.Context, ...string) *exec.Cmd) {
	os.Exit(inside(func(ctx context.Context, e *machine.Entry) error {
		if len(os.Args) < 2 {
			return errors.New("usage: " + os.Args[0] + " COMMAND…")
		}
		cmd := command(e, ctx, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return cmd.Run()
	}))
}

// inside calls do with the machine that the environment names, and returns the exit
// status: that of the command if one failed.
func inside(do func(context.Context, *machine.Entry) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	e, err := machine.Enter(os.Getenv)
	if err == nil {
		defer e.Close()
		err = do(ctx, e)
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited() && ctx.Err() == nil:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, errors.Join(err, ctx.Err()))
	return 125
}
