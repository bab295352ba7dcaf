package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const defaultGrace = 10 * time.Second

// Up says what to bring up, and how.
type Up struct {
	Project  string
	Files    []string          // as asked of [Load]: without included and extended ones
	Dir      string            // working directory; default: the first file's folder
	Environ  []string          // the whole environment, K=V: [Project].Environ
	Unit     string            // for the label PODMAN_SYSTEMD_UNIT of every container; "" leaves it to the provider
	Scope    []string          // put before the command; see [Scope]
	NoPod    bool              // containers stand alone, and not in a pod: podman-compose since 1.1 makes one
	Recreate bool              // also replace containers that exist; podman-compose stops all of them first
	Grace    time.Duration     // from the first SIGTERM to SIGKILL; default 10 s
	Output   func(line string) // called for each line, or nil
}

// Up brings a project up, detached, and removes what is no longer in its files
// where the provider can. It returns when the provider ended.
//
// When the context ends, the provider gets SIGTERM; what is left of its process
// group gets it after half of Grace, and SIGKILL after all of it. The error wraps
// the context's cause and says which it took. An error else means that the
// provider failed, by its exit status or certainly by what it printed: with
// podman-compose an exit status of 0 says no more than that it came to its end.
// So no error is no proof that anything runs.
//
// Output gets lines of stdout and stderr in the order they come, valid UTF-8
// and else as they are, control characters and all. A line is cut after 8 KiB,
// and after 4 MiB in all one line says that the rest is left out. It is called
// by one goroutine, never after Up has returned, and must not block.
func (p Provider) Up(ctx context.Context, u Up) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s up: not begun: %w", p, context.Cause(ctx))
	}
	limited, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	output := &lines{each: u.Output}
	output.failed.doomed = func() { time.AfterFunc(doomedLimit, func() { cut(ErrNotStarted) }) }
	err := p.run(limited, p.command(u), u.Grace, output)
	switch refused := output.failed.certain; {
	case refused != "" && ctx.Err() == nil:
		return fmt.Errorf("%s up: %w: %q", p, ErrNotStarted, refused)
	case err != nil && output.last != "":
		return fmt.Errorf("%s up: %w: %q", p, err, output.last)
	case err != nil:
		return fmt.Errorf("%s up: %w", p, err)
	}
	return nil
}

// ErrNotStarted says that podman could not start a container, whatever the
// provider's exit status. Replaced, it may start.
var ErrNotStarted = errors.New("a container did not start")

// doomedLimit is how long a provider may go on after that: podman-compose 1.3
// waits for a dependency that did not start without an end.
const doomedLimit = 15 * time.Second

// run runs a command to its end, or to the context's and a grace.
func (p Provider) run(ctx context.Context, cmd *exec.Cmd, grace time.Duration, output *lines) error {
	// Pdeathsig goes off when the thread that forked ends, not only the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stream, err := follow(cmd, output)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	stopped := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			stopped <- stop(cmd.Process.Pid, cmp.Or(grace, defaultGrace), context.Cause(ctx))
		case <-ended:
			stopped <- nil
		}
	}()
	err = cmd.Wait()
	close(ended)
	if cut := <-stopped; cut != nil && err != nil {
		err = cut
	}
	stream.close()
	return err
}

func (p Provider) command(u Up) *exec.Cmd {
	args := []string{"-p", u.Project}
	if u.NoPod {
		args = append(args, "--in-pod=false")
	}
	for _, file := range u.Files {
		args = append(args, "-f", file)
	}
	args = append(args, "up", "-d", "--remove-orphans")
	if u.Recreate {
		args = append(args, "--force-recreate")
	}
	dir := u.Dir
	if dir == "" && len(u.Files) > 0 {
		dir = filepath.Dir(u.Files[0])
	}
	if len(u.Scope) > 0 {
		p.Argv = slices.Concat(u.Scope, p.Argv)
	}
	return p.toRun(args, dir, u.Environ, u.Unit)
}

func (p Provider) toRun(args []string, dir string, environ []string, unit string) *exec.Cmd {
	cmd := exec.Command(p.Argv[0], slices.Concat(p.Argv[1:], args)...)
	cmd.Dir, cmd.Env = dir, environment(environ, unit)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// environment is the caller's, in English, and without the variables that point
// podman at another machine's containers (podman(1), --remote) or compose at
// another folder. INVOCATION_ID would have podman 5.4 leave conmon where it is
// started, and NOTIFY_SOCKET is not the containers'. podman's own run takes
// PODMAN_SYSTEMD_UNIT over any --label that podman-compose gives it. Python
// writes lines as they come only when PYTHONUNBUFFERED is set, and `podman
// compose` heads them with its own unless told not to (podman-compose(1)).
func environment(of []string, unit string) []string {
	dropped := []string{
		"CONTAINER_HOST", "CONTAINER_CONNECTION", "COMPOSE_PROJECT_DIR", "INVOCATION_ID", "NOTIFY_SOCKET",
		"LC_ALL", "PYTHONUNBUFFERED", "PODMAN_COMPOSE_WARNING_LOGS",
	}
	set := []string{"LC_ALL=C.UTF-8", "PYTHONUNBUFFERED=1", "PODMAN_COMPOSE_WARNING_LOGS=false"}
	if unit != "" {
		dropped = append(dropped, "PODMAN_SYSTEMD_UNIT")
		set = append(set, "PODMAN_SYSTEMD_UNIT="+unit)
	}
	env := slices.DeleteFunc(slices.Clone(of), func(entry string) bool {
		key, _, _ := strings.Cut(entry, "=")
		return slices.Contains(dropped, key)
	})
	return append(env, set...)
}
