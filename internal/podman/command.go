package podman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	chunk        = 1000                   // ids per call: 65 kB, half of what the smallest limit on arguments allows
	maxComplaint = 4 << 10                // bytes of a complaint that are kept
	waitDelay    = 500 * time.Millisecond // how long output may stay open once the command has ended
	exitPodman   = 125                    // podman's own failure, as podman(1) has it: also "no such container"
)

// command is the podman command.
type command struct {
	path string
	args []string // global options
}

func (c command) list(ctx context.Context) ([]string, error) {
	out, err := c.run(ctx, "ps", "--all", "--no-trunc", "--format", "json")
	if err != nil {
		return nil, err
	}
	return parseIDs(out)
}

// inspect reads all containers or none: podman prints those it finds, and
// exits 125 when one is not there.
func (c command) inspect(ctx context.Context, ids []string) ([]Container, error) {
	var containers []Container
	for some := range slices.Chunk(ids, chunk) {
		out, err := c.run(ctx, "inspect", append([]string{"--type", "container"}, some...)...)
		if err != nil {
			return nil, err
		}
		found, err := parseContainers(out)
		if err != nil {
			return nil, err
		}
		if err := sameIDs(some, found); err != nil {
			return nil, err
		}
		containers = append(containers, found...)
	}
	return containers, nil
}

// sameIDs makes sure that podman told of every container it was asked for.
func sameIDs(asked []string, found []Container) error {
	have := make(map[string]bool, len(found))
	for _, container := range found {
		have[container.ID] = true
	}
	for _, id := range asked {
		if !have[id] {
			return fmt.Errorf("%w: %s was asked for and left out", errVanished, id)
		}
	}
	return nil
}

// run returns what podman prints. When the context ends, podman and all it
// started in its process group are killed; what escaped the group and holds the
// output open delays the return by waitDelay at most.
func (c command) run(ctx context.Context, verb string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdout, stderr := &capped{full: cancel}, &tail{}
	cmd := exec.CommandContext(ctx, c.path, slices.Concat(c.args, []string{verb}, args)...)
	cmd.Env = environment(os.Environ())
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = waitDelay
	if err := reason(ctx, cmd.Run()); err != nil {
		return nil, complain(verb, err, stderr.kept)
	}
	return stdout.data.Bytes(), nil
}

func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// reason says why a run failed, or nil.
func reason(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		// It ended well, and something it left behind holds its output open,
		// as the first rootless podman may do. What it printed has been read,
		// and a part that was not would be malformed JSON.
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == exitPodman:
		return fmt.Errorf("%w, or podman failed: %w", errVanished, err)
	}
	return err
}

func complain(verb string, err error, stderr []byte) error {
	if text := strings.TrimSpace(string(stderr)); text != "" {
		return fmt.Errorf("podman %s: %w: %q", verb, err, text)
	}
	return fmt.Errorf("podman %s: %w", verb, err)
}

// environment is the caller's, in English, and without the variables that
// point podman at another machine's containers (podman(1), --remote).
func environment(of []string) []string {
	env := slices.DeleteFunc(slices.Clone(of), func(entry string) bool {
		key, _, _ := strings.Cut(entry, "=")
		return key == "CONTAINER_HOST" || key == "CONTAINER_CONNECTION" || key == "LC_ALL"
	})
	return append(env, "LC_ALL=C")
}

// capped keeps up to maxAnswer bytes, and calls full when there are more.
type capped struct {
	data bytes.Buffer // not embedded: its ReadFrom would go round Write
	full context.CancelCauseFunc
}

func (w *capped) Write(p []byte) (int, error) {
	if w.data.Len()+len(p) > maxAnswer {
		w.full(errTooLong)
		return 0, errTooLong
	}
	return w.data.Write(p)
}

// tail keeps the last maxComplaint bytes.
type tail struct{ kept []byte }

func (w *tail) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p...)
	w.kept = w.kept[max(0, len(w.kept)-maxComplaint):]
	return len(p), nil
}
