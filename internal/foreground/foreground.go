// Package foreground runs a command as a shell does: with this process's standard input and
// output, and to its end.
package foreground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run runs a command and returns its exit status; 128 and the signal's number if a signal
// ended it, as in a shell. An error means that it did not begin. When the context ends, the
// command gets the signal, and Run still waits for its end: what is cut off half-way is worse
// than what takes long. The terminal itself sends Ctrl-C to all processes in its foreground,
// so that SIGINT is only sent where there is no terminal.
func Run(ctx context.Context, argv []string, in io.Reader, out, errs io.Writer, signal func() os.Signal) (status int, err error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", argv[0], err)
	}
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-ctx.Done():
			if s := signal(); s != os.Interrupt || !hasTerminal() {
				_ = cmd.Process.Signal(s) // it may have ended
			}
		case <-ended:
		}
	}()
	err = cmd.Wait()
	close(ended)
	<-told
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("run %s: %w", argv[0], err)
	}
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// hasTerminal reports whether this process is in the foreground of a terminal.
func hasTerminal() bool {
	for fd := range 3 {
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() {
			return true
		}
	}
	return false
}
