// Package podman reads the containers of one user's podman: what each is
// called, whether it runs, and which labels it carries. It only ever looks.
//
// Start at [Client.Containers], or at [Client.Watch] to look many times; what
// one container said and how its health checks went is in [Client.Logs] and
// [Client.HealthLog]. A look asks the API socket first and the podman
// command when nobody answers there; both tell the same, so nothing a caller
// sees depends on the way taken. Podman can hang, and a container can vanish
// while it is being read: every call here is bounded, and an answer is either
// complete or an error.
package podman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tidwall/gjson"
)

const (
	defaultLimit  = 10 * time.Second // for a context without a deadline
	attempts      = 3                // how often a listing is begun when containers vanish meanwhile
	maxAnswer     = 64 << 20         // bytes of one answer, by either way
	maxContainers = 10_000
)

var (
	errVanished   = errors.New("a container vanished while it was read")
	errUnanswered = errors.New("nobody answers")
	errNoSocket   = fmt.Errorf("%w: no such socket", errUnanswered)
	errAbsent     = errors.New("podman is not installed")
	errTooLong    = fmt.Errorf("answer is longer than %d bytes", maxAnswer)
)

// Client reaches one user's podman. The zero value finds none.
type Client struct {
	Socket  string   // path of the API socket, $XDG_RUNTIME_DIR/podman/podman.sock; it need not exist
	Command string   // path of the podman command; empty when it is not installed
	Args    []string // podman's global options, put before its verb; they apply to the command only
}

// usual are the folders that hold podman where a unit's PATH may lack them.
var usual = []string{"/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"}

// Of is the client of the user behind a runtime folder ($XDG_RUNTIME_DIR): its
// API socket, and the podman command of this process's PATH or of a usual
// folder.
func Of(runtimeDir string) Client {
	c := Client{Socket: filepath.Join(runtimeDir, "podman", "podman.sock")}
	candidates := []string{"podman"}
	for _, dir := range usual {
		candidates = append(candidates, filepath.Join(dir, "podman"))
	}
	for _, name := range candidates {
		if command, err := exec.LookPath(name); err == nil {
			c.Command = command
			break
		}
	}
	return c
}

// Listing is every container of a user at one time.
type Listing struct {
	Present    bool        // false: neither a socket nor a command, so podman is not installed
	Transport  string      // "socket", "command", or "" when not present
	Containers []Container // by name, then by id; infra and stopped containers included
}

// Container is one container. Its texts come from images and from whoever
// created it: valid UTF-8, control characters and all, and never longer than
// 64 KiB (a longer one is cut and ends in "…(cut)").
type Container struct {
	ID            string // hexadecimal, as podman prints it in full
	Name          string
	Image         string // the name it was created from
	ImageID       string
	Pod           string    // id of its pod, or empty
	Infra         bool      // a pod's own pause container
	State         string    // podman's word: created, running, paused, exited, …
	Health        string    // starting, healthy, unhealthy; empty without a health check
	ExitCode      int       // of the last run; 0 while it runs
	Check         *Check    // nil without a health check
	Restarts      int       // how often its restart policy started it again
	RestartPolicy string    // always, unless-stopped, on-failure, no, or empty as older versions say no
	CreatedAt     time.Time // in UTC
	StartedAt     time.Time
	FinishedAt    time.Time         // like StartedAt in UTC, and zero when it never happened
	Labels        map[string]string // never nil
}

// source is one way to reach podman. All methods wrap errVanished when a
// container went away while they looked, and it is worth beginning again.
type source interface {
	list(ctx context.Context) ([]row, error)
	inspect(ctx context.Context, ids []string) ([]Container, error)
	// document is what inspect tells of one "container" or "image". It wraps
	// errNoImage when podman has no such image.
	document(ctx context.Context, kind, name string) (gjson.Result, error)
	// several is what inspect tells of containers.
	several(ctx context.Context, ids []string) ([]gjson.Result, error)
}

// Containers reads every container. Podman that is not installed is a listing
// that says so, and no error. Podman that is there and does not answer, or
// answers nonsense, is an error, and then nothing is known.
//
// The socket may use half of the context's time to answer first. When it stays
// silent the command is asked in the other half: a service that hangs or died
// at its start leaves the command sound, which reads podman's own store. An
// answer that is wrong is never papered over by asking again elsewhere. A
// context without a deadline gets one of 10 seconds; after the deadline the
// call returns within a second.
//
// To look again and again, use [Client.Watch].
func (c Client) Containers(ctx context.Context) (Listing, error) {
	return c.Watch().Containers(ctx)
}

// bounded gives a context a deadline, unless it has one.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultLimit)
}

// question is what a caller wants to know, by whichever way.
type question[T any] func(ctx context.Context, from source) (T, error)

// ask puts a question to the socket, and to the command when nobody answers
// there. The transport is the one that answered; it is empty, without an error,
// when podman is not installed.
func ask[T any](ctx context.Context, c Client, put question[T]) (answer T, transport string, err error) {
	answer, silence := askSocket(ctx, c.Socket, put)
	switch {
	case !errors.Is(silence, errUnanswered):
		return answer, "socket", silence
	case c.Command != "":
		answer, err = askCommand(ctx, c, silence, put)
		return answer, "command", err
	case errors.Is(silence, errNoSocket):
		return answer, "", nil
	}
	return answer, "", silence
}

func askSocket[T any](ctx context.Context, socket string, put question[T]) (none T, err error) {
	if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return none, errNoSocket
	}
	api := newAPI(socket)
	defer api.http.CloseIdleConnections()
	answer, err := put(ctx, api)
	if err != nil {
		return none, fmt.Errorf("podman socket %q: %w", socket, err)
	}
	return answer, nil
}

// askCommand asks the command, after the socket stayed silent for the reason given.
func askCommand[T any](ctx context.Context, c Client, silence error, put question[T]) (none T, err error) {
	answer, err := put(ctx, command{path: c.Command, args: c.Args})
	switch {
	case err != nil && errors.Is(silence, errNoSocket):
		return none, fmt.Errorf("podman command: %w", err)
	case err != nil:
		return none, fmt.Errorf("%w; and podman command: %w", silence, err)
	}
	return answer, nil
}
