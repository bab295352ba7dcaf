package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrInterrupted is the cause of a context that Ctrl-C ended.
var ErrInterrupted = errors.New("interrupted")

// interruptedStatus is what shells give a program that SIGINT ended: 128 and its number.
const interruptedStatus = 128 + int(syscall.SIGINT)

// LastWait is how long a program that was told to end may take for it.
const LastWait = 5 * time.Second

// isPatient is whether the program waits for something that it must not leave.
var isPatient atomic.Bool

// Patient lets no signal end the program at once from now on: it waits for a command of the
// operator's.
func Patient() { isPatient.Store(true) }

// Context returns the context of a program: SIGINT ends it with [ErrInterrupted] as its
// cause, and SIGTERM without. If the program has not ended after wait, or gets a second
// signal, it is ended, and what it has locked is free; 0 lets it take its time.
func Context(wait time.Duration) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-signals
		if first == os.Interrupt {
			cancel(ErrInterrupted)
		}
		cancel(nil)
		if wait > 0 {
			select {
			case <-signals:
			case <-time.After(wait):
			}
			if number, is := first.(syscall.Signal); is && !isPatient.Load() {
				os.Exit(128 + int(number))
			}
		}
	}()
	return ctx, func() { signal.Stop(signals) }
}

// Interrupted returns the exit status of a command that Ctrl-C ended, and whether it was.
func Interrupted(ctx context.Context) (status int, was bool) {
	return interruptedStatus, errors.Is(context.Cause(ctx), ErrInterrupted)
}
