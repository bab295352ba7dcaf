// Package podman reads the containers of one user's podman: their names, whether they run,
// and their labels. It changes nothing.
//
// Start at [Client.Containers], or at [Client.Watch] to read them many times. [Client.Logs]
// and [Client.HealthLog] read what a container wrote and how its health checks ended. Each
// call asks the API socket first, and the podman command if nobody answers there; both give
// the same result. Podman can hang, and a container can vanish while it is read: every call
// is bounded, and the result is either complete or an error.
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
	attempts      = 3                // how often a listing is tried if containers vanish meanwhile
	maxAnswer     = 64 << 20         // bytes of one answer, of the socket or the command
	maxContainers = 10_000
)

var (
	errVanished   = errors.New("a container vanished while it was read")
	errUnanswered = errors.New("nobody answers")
	errNoSocket   = fmt.Errorf("%w: no such socket", errUnanswered)
	errAbsent     = errors.New("podman is not installed")
	errTooLong    = fmt.Errorf("answer is longer than %d bytes", maxAnswer)
)

// Client reaches one user's podman. With the zero value, podman is not installed.
type Client struct {
	Socket  string   // path of the API socket, $XDG_RUNTIME_DIR/podman/podman.sock; it need not exist
	Command string   // path of the podman command; empty when it is not installed
	Args    []string // podman's global options, put before its verb; they apply to the command only
}

// usual are the folders where podman is installed, which may be missing in a unit's PATH.
var usual = []string{"/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"}

// Of returns the client for the user with this runtime folder ($XDG_RUNTIME_DIR): its API
// socket, and the podman command in this process's PATH or in a usual folder.
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

// Container is one container. Its texts come from images and from the person who created
// it. They are valid UTF-8, may have control characters, and are at most 64 KiB long (a
// longer text is cut and ends in "…(cut)").
type Container struct {
	ID            string // hexadecimal, as podman prints it in full
	Name          string
	Image         string // the name it was created from
	ImageID       string
	Pod           string    // id of its pod, or empty
	Infra         bool      // a pod's own pause container
	State         string    // podman's state: created, running, paused, exited, …
	Health        string    // starting, healthy, unhealthy; empty without a health check
	ExitCode      int       // of the last run; 0 while it runs
	Check         *Check    // nil without a health check
	Restarts      int       // how often its restart policy started it again
	RestartPolicy string    // always, unless-stopped, on-failure, no, or empty, which means no in older versions
	CreatedAt     time.Time // in UTC
	StartedAt     time.Time
	FinishedAt    time.Time         // like StartedAt in UTC, and zero when it never happened
	Labels        map[string]string // never nil
}

// source is one way to reach podman. All methods wrap errVanished if a container vanished
// while they read it: then the caller should try again.
type source interface {
	list(ctx context.Context) ([]row, error)
	inspect(ctx context.Context, ids []string) ([]Container, error)
	// document returns inspect's output for one "container" or "image". It wraps errNoImage
	// if podman has no such image.
	document(ctx context.Context, kind, name string) (gjson.Result, error)
	// several returns inspect's output for containers.
	several(ctx context.Context, ids []string) ([]gjson.Result, error)
	images(ctx context.Context) ([]gjson.Result, error)
	// events are JSON documents, one a line.
	events(ctx context.Context, since, until time.Time) ([]byte, error)
}

// Containers reads every container. If podman is not installed, the listing says so, and
// there is no error. If podman does not answer, or its answer is malformed, that is an error,
// and nothing is known.
//
// The socket has half of the context's time to answer. If it does not, the command is asked
// in the other half: it reads podman's storage itself, so it works although the service hangs
// or died. A wrong answer of the socket is an error; the command is not asked then. A context
// without a deadline gets a deadline of 10 seconds. After the deadline the call returns
// within a second.
//
// To read the containers many times, use [Client.Watch].
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

// question reads something from a source.
type question[T any] func(ctx context.Context, from source) (T, error)

// ask asks the socket, and the command if nobody answers there. It returns which one
// answered: "" without an error if podman is not installed.
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

// askCommand asks the command, after the socket did not answer for the given reason.
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
