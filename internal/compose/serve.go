package compose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

const (
	serveLimit = 15 * time.Second // until it answers, and until it has ended
	servePause = 20 * time.Millisecond
)

// Serve runs podman's API service on a socket of its own, behind the command
// that scope is ([Scope]), and returns when it answers. It ends with stop, or
// with this process. An earlier one on the same socket that still works on a
// request is waited for, so that no two of them work at once.
func (p Podman) Serve(ctx context.Context, scope []string, socket string, environ []string) (stop func(), err error) {
	limited, cancel := context.WithTimeoutCause(ctx, serveLimit, fmt.Errorf("no answer within %v", serveLimit))
	defer cancel()
	if err := vacant(limited, socket); err != nil {
		return nil, fmt.Errorf("podman system service: an earlier one is still at work: %w", err)
	}
	p.Argv = slices.Concat(scope, p.Argv)
	cmd := Provider(p).toRun([]string{"system", "service", "--time=0", "unix://" + socket}, "", environ, "")
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM // lets it finish what it is at
	said := &lines{}
	stream, release, err := pinned(cmd, said)
	if err != nil {
		return nil, fmt.Errorf("podman system service: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	finish := func() {
		defer release()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(serveLimit):
			_ = signalGroup(cmd.Process.Pid, syscall.SIGKILL)
		}
		stream.close()
		_ = os.Remove(socket)
	}
	for {
		if answers(socket) {
			return finish, nil
		}
		select {
		case err := <-ended:
			ended <- err
			finish()
			return nil, fmt.Errorf("podman system service ended: %w", errors.Join(err, errors.New(said.last)))
		case <-limited.Done():
			finish()
			return nil, fmt.Errorf("podman system service: %w", context.Cause(limited))
		case <-time.After(servePause):
		}
	}
}

// vacant waits until nobody answers on the socket.
func vacant(ctx context.Context, socket string) error {
	for answers(socket) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(servePause):
		}
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func answers(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// pinned starts a command on a thread that is kept until release: its
// Pdeathsig goes off when the thread that forked ends, not only the process.
func pinned(cmd *exec.Cmd, said *lines) (s *stream, release func(), err error) {
	done, started := make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s, err = follow(cmd, said)
		close(started)
		if err == nil {
			<-done
		}
	}()
	<-started
	return s, func() { close(done) }, err
}
