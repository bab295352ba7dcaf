package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/bounded"
	"stackpolicy/internal/lazyregexp"
)

const (
	askLimit  = 10 * time.Second       // for a question such as the version
	waitDelay = 500 * time.Millisecond // how long output may stay open once the provider has ended
	maxAnswer = 64 << 10               // bytes of an answer that are kept
)

// ErrNoProvider says that nothing is installed that runs compose files.
var ErrNoProvider = errors.New("no compose provider")

// Provider is a command that runs compose files.
type Provider struct {
	Argv []string // the command, found, and its first arguments; never empty in one that was found
}

// Find is the provider that is configured, else `podman compose` where podman
// has that verb and a provider behind it (podman-compose(1); since podman 4.7),
// else podman-compose. lookPath is [exec.LookPath], or another where it is not
// nil. Nothing found is an error that wraps [ErrNoProvider].
func Find(ctx context.Context, configured []string, lookPath func(string) (string, error)) (Provider, error) {
	if lookPath == nil {
		lookPath = exec.LookPath
	}
	if len(configured) > 0 {
		path, err := lookPath(configured[0])
		if err != nil {
			return Provider{}, fmt.Errorf("%w: %w; install it, or configure another provider", ErrNoProvider, err)
		}
		return Provider{Argv: append([]string{path}, configured[1:]...)}, nil
	}
	if podman, err := lookPath("podman"); err == nil {
		p := Provider{Argv: []string{podman, "compose"}}
		_, err := p.Version(ctx)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return Provider{}, fmt.Errorf("find the compose provider: %w", err)
		}
	}
	if path, err := lookPath("podman-compose"); err == nil {
		return Provider{Argv: []string{path}}, nil
	}
	return Provider{}, fmt.Errorf("%w: neither `podman compose` nor podman-compose works here; install podman-compose", ErrNoProvider)
}

// said matches what providers call themselves: "podman-compose version 1.3.0",
// "podman-composer version  1.0.3", "Docker Compose version v2.29.1".
var said = lazyregexp.New(`(?i)(podman-compose|docker compose)r? version:? +v?([0-9][\w.+-]*)`)

// Version asks for name and number, such as "podman-compose 1.3.0", within 10
// seconds. An answer without them is an error.
func (p Provider) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer, err := p.ask(ctx, "", os.Environ(), "version")
	if err != nil {
		return "", fmt.Errorf("%s version: %w: %q", p, err, bytes.TrimSpace(answer))
	}
	match := said.Get().FindSubmatch(answer)
	if match == nil {
		return "", fmt.Errorf("%s version: no version in %q", p, bytes.TrimSpace(answer))
	}
	return strings.ToLower(string(match[1])) + " " + string(match[2]), nil
}

// ask runs the provider in a folder and returns the end of what it prints, also with an
// error. When ctx ends it is killed, and the error is the context's cause.
func (p Provider) ask(ctx context.Context, dir string, environ []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.Argv[0], append(p.Argv[1:len(p.Argv):len(p.Argv)], args...)...)
	answer := &bounded.Tail{Limit: maxAnswer}
	cmd.Dir, cmd.Env = dir, environment(environ, "")
	cmd.Stdout, cmd.Stderr = answer, answer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return answer.Kept, err
}

func (p Provider) String() string { return strings.Join(p.Argv, " ") }
