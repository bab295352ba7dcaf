package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// ErrInterrupted is the cause of a context that Ctrl-C ended.
var ErrInterrupted = errors.New("interrupted")

// interruptedStatus is what shells give a program that SIGINT ended: 128 and its number.
const interruptedStatus = 128 + int(syscall.SIGINT)

// Context returns the context of a program: SIGINT ends it with [ErrInterrupted] as its
// cause, and SIGTERM without.
func Context() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if <-signals == os.Interrupt {
			cancel(ErrInterrupted)
		}
		cancel(nil)
	}()
	return ctx, func() { signal.Stop(signals) }
}

// Interrupted returns the exit status of a command that Ctrl-C ended, and whether it was.
func Interrupted(ctx context.Context) (status int, was bool) {
	return interruptedStatus, errors.Is(context.Cause(ctx), ErrInterrupted)
}
