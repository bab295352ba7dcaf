package podman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidwall/gjson"
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

func (c command) list(ctx context.Context) ([]row, error) {
	out, err := c.run(ctx, "ps", "--all", "--no-trunc", "--format", "json")
	if err != nil {
		return nil, orVanished(err)
	}
	return parseRows(out)
}

// inspect reads all containers or none: podman prints those it finds, and
// exits 125 when one is not there.
func (c command) inspect(ctx context.Context, ids []string) ([]Container, error) {
	var containers []Container
	for some := range slices.Chunk(ids, chunk) {
		out, err := c.run(ctx, "inspect", append([]string{"--type", "container"}, some...)...)
		if err != nil {
			return nil, orVanished(err)
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

// sameIDs checks that podman's answer has every container that was asked for.
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

func (c command) document(ctx context.Context, kind, name string) (gjson.Result, error) {
	out, err := c.run(ctx, "inspect", "--type", kind, name)
	if err != nil {
		return gjson.Result{}, err
	}
	found, err := parseArray(out)
	switch {
	case err != nil:
		return gjson.Result{}, err
	case len(found) != 1:
		return gjson.Result{}, fmt.Errorf("asked for one %s, got %d", kind, len(found))
	}
	return found[0], nil
}

// logs returns the end of what a container wrote. Both streams go through one
// pipe, so their order is podman's.
func (c command) logs(ctx context.Context, id string, lines int) (*tail, error) {
	both := &tail{limit: maxLogs}
	if err := c.start(ctx, both, both, "logs", "--tail", strconv.Itoa(lines), id); err != nil {
		return nil, complain("logs", err, both.kept[max(0, len(both.kept)-maxComplaint):])
	}
	return both, nil
}

// run returns what podman prints.
func (c command) run(ctx context.Context, verb string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdout, stderr := &capped{full: cancel}, &tail{limit: maxComplaint}
	if err := c.start(ctx, stdout, stderr, verb, args...); err != nil {
		return nil, complain(verb, err, stderr.kept)
	}
	return stdout.data.Bytes(), nil
}

// start runs podman to its end. If the context ends before, podman and its process group
// are killed. A process that left the group and keeps the output open delays the return by
// at most waitDelay.
func (c command) start(ctx context.Context, stdout, stderr io.Writer, verb string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.path, slices.Concat(c.args, []string{verb}, args)...)
	cmd.Env = environment(os.Environ())
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = waitDelay
	return reason(ctx, cmd.Run())
}

func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// reason returns why a run failed, or nil.
func reason(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		// It succeeded, but a process that it started keeps its output open, as the first
		// rootless podman may do. Its output was read; an incomplete output would be
		// malformed JSON.
		return nil
	}
	return err
}

// orVanished adds to podman's own failure that a container may have vanished.
func orVanished(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitPodman {
		return fmt.Errorf("%w, or podman failed: %w", errVanished, err)
	}
	return err
}

func complain(verb string, err error, stderr []byte) error {
	text := strings.TrimSpace(string(stderr))
	if strings.Contains(text, errNoImage.Error()) {
		err = fmt.Errorf("%w: %w", errNoImage, err)
	}
	if text != "" {
		return fmt.Errorf("podman %s: %w: %q", verb, err, text)
	}
	return fmt.Errorf("podman %s: %w", verb, err)
}

// environment returns the caller's environment, in English, without the variables that
// make podman use another machine's containers (podman(1), --remote).
func environment(of []string) []string {
	env := slices.DeleteFunc(slices.Clone(of), func(entry string) bool {
		key, _, _ := strings.Cut(entry, "=")
		return key == "CONTAINER_HOST" || key == "CONTAINER_CONNECTION" || key == "LC_ALL"
	})
	return append(env, "LC_ALL=C")
}

// capped keeps up to maxAnswer bytes, and calls full when there are more.
type capped struct {
	data bytes.Buffer // not embedded: its ReadFrom would bypass Write
	full context.CancelCauseFunc
}

func (w *capped) Write(p []byte) (int, error) {
	if w.data.Len()+len(p) > maxAnswer {
		w.full(errTooLong)
		return 0, errTooLong
	}
	return w.data.Write(p)
}

// tail keeps the last bytes, up to its limit.
type tail struct {
	limit int
	kept  []byte
	cut   bool // there were more
}

func (w *tail) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p...)
	over := max(0, len(w.kept)-w.limit)
	w.kept, w.cut = w.kept[over:], w.cut || over > 0
	return len(p), nil
}
