package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/bounded"
	"stackpolicy/internal/podman/answer"
)

const (
	chunk        = 1000                   // ids per call: 65 kB, half of what the smallest limit on arguments allows
	maxLogs      = 64 << 10               // bytes of a container's logs that are kept
	maxComplaint = 4 << 10                // bytes of a complaint that are kept
	waitDelay    = 500 * time.Millisecond // how long output may stay open once the command has ended
	exitPodman   = 125                    // podman's own failure, as podman(1) has it: also "no such container"
)

// Command is the podman command. With the zero value it is not installed.
type Command struct {
	Path string
	Args []string // podman's global options, put before its verb
}

// usual are the folders where podman is installed, which may be missing in a unit's PATH.
var usual = []string{"/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"}

// Installed returns the path of the podman command, from this process's PATH or a usual
// folder; "" if it is not installed.
func Installed() string {
	candidates := []string{"podman"}
	for _, dir := range usual {
		candidates = append(candidates, filepath.Join(dir, "podman"))
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// List implements [Source].
func (c Command) List(ctx context.Context) ([]gjson.Result, error) {
	out, err := c.run(ctx, "ps", "--all", "--no-trunc", "--format", "json")
	if err != nil {
		return nil, orVanished(err)
	}
	return answer.Array(out)
}

// Inspect reads all containers or none: podman prints those it finds, and exits 125 when one
// is not there.
func (c Command) Inspect(ctx context.Context, ids []string, read func(gjson.Result) error) error {
	for some := range slices.Chunk(ids, chunk) {
		found, err := c.inspect(ctx, some)
		if err != nil {
			return err
		}
		for i, document := range found {
			if err := read(document); err != nil {
				return fmt.Errorf("container %d of %d: %w", i+1, len(found), err)
			}
		}
		if err := sameIDs(some, found); err != nil {
			return err
		}
	}
	return nil
}

// Documents implements [Source].
func (c Command) Documents(ctx context.Context, ids []string) (all []gjson.Result, err error) {
	for some := range slices.Chunk(ids, chunk) {
		found, err := c.inspect(ctx, some)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (c Command) inspect(ctx context.Context, ids []string) ([]gjson.Result, error) {
	out, err := c.run(ctx, "inspect", append([]string{"--type", "container"}, ids...)...)
	if err != nil {
		return nil, orVanished(err)
	}
	return answer.Array(out)
}

// sameIDs checks that podman's answer has every container that was asked for.
func sameIDs(asked []string, found []gjson.Result) error {
	have := make(map[string]bool, len(found))
	for _, document := range found {
		have[document.Get("Id").Str] = true
	}
	for _, id := range asked {
		if !have[id] {
			return fmt.Errorf("%w: %s was asked for and left out", ErrVanished, id)
		}
	}
	return nil
}

// Document implements [Source].
func (c Command) Document(ctx context.Context, kind, name string) (gjson.Result, error) {
	out, err := c.run(ctx, "inspect", "--type", kind, name)
	if err != nil {
		return gjson.Result{}, err
	}
	found, err := answer.Array(out)
	switch {
	case err != nil:
		return gjson.Result{}, err
	case len(found) != 1:
		return gjson.Result{}, fmt.Errorf("asked for one %s, got %d", kind, len(found))
	}
	return found[0], nil
}

// Answer implements [Source].
func (c Command) Answer(ctx context.Context, q Question) ([]byte, error) {
	return c.run(ctx, q.Args[0], q.Args[1:]...)
}

// Exists reports whether a "network", "volume" or "image" of this name exists.
func (c Command) Exists(ctx context.Context, kind, name string) (bool, error) {
	_, err := c.run(ctx, kind, "exists", name)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &exit) && exit.ExitCode() == 1: // podman-network-exists(1)
		return false, nil
	}
	return false, err
}

// Logs returns the end of what a container wrote, 64 KiB of it at most, and whether there was
// more before it. Both streams go through one pipe, so their order is podman's.
func (c Command) Logs(ctx context.Context, id string, lines int) (end []byte, isCut bool, err error) {
	both := &bounded.Tail{Limit: maxLogs}
	if err := c.start(ctx, both, both, "logs", "--tail", strconv.Itoa(lines), id); err != nil {
		return nil, false, complain("logs", err, both.Kept[max(0, len(both.Kept)-maxComplaint):])
	}
	return both.Kept, both.IsCut, nil
}

// run returns what podman prints.
func (c Command) run(ctx context.Context, verb string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdout := &bounded.Buffer{Limit: maxAnswer, Full: func(error) { cancel(errTooLong) }}
	stderr := &bounded.Tail{Limit: maxComplaint}
	if err := c.start(ctx, stdout, stderr, verb, args...); err != nil {
		return nil, complain(verb, err, stderr.Kept)
	}
	return stdout.Bytes(), nil
}

// start runs podman to its end. If the context ends before, podman and its process group
// are killed. A process that left the group and keeps the output open delays the return by
// at most waitDelay.
func (c Command) start(ctx context.Context, stdout, stderr io.Writer, verb string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.Path, slices.Concat(c.Args, []string{verb}, args)...)
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
		return fmt.Errorf("%w, or podman failed: %w", ErrVanished, err)
	}
	return err
}

func complain(verb string, err error, stderr []byte) error {
	text := strings.TrimSpace(string(stderr))
	if strings.Contains(text, ErrNoImage.Error()) {
		err = fmt.Errorf("%w: %w", ErrNoImage, err)
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
