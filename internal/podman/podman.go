// Package podman reads the containers of one user's podman: their names, whether they run,
// and their labels. It changes nothing.
//
// Start at [Client.Containers], or at [Client.Watch] to read them many times. [Client.Follow]
// says when to read again. [Client.Logs]
// and [Client.HealthLog] read what a container wrote and how its health checks ended. Each
// call asks the API socket first, and the podman command if nobody answers there; both give
// the same result. Podman can hang, and a container can vanish while it is read: every call
// is bounded, and the result is either complete or an error.
//
// Package transport has the two ways to ask podman, and package answer reads its JSON.
package podman

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"stackpolicy/internal/podman/transport"
)

const defaultLimit = 10 * time.Second // for a context without a deadline

// ErrAbsent means that there is neither an API socket nor the podman command.
var ErrAbsent = errors.New("podman is not installed")

// Client reaches one user's podman. With the zero value, podman is not installed.
type Client struct {
	Socket  string   // path of the API socket, $XDG_RUNTIME_DIR/podman/podman.sock; it need not exist
	Command string   // path of the podman command; empty when it is not installed
	Args    []string // podman's global options, put before its verb; they apply to the command only
}

// Of returns the client for the user with this runtime folder ($XDG_RUNTIME_DIR): its API
// socket, and the podman command in this process's PATH or in a usual folder.
func Of(runtimeDir string) Client {
	return Client{Socket: filepath.Join(runtimeDir, "podman", "podman.sock"), Command: transport.Installed()}
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

// ask calls read with the socket, and with the command if nobody answers there. It returns
// which one answered: "" without an error if podman is not installed.
func ask[T any](ctx context.Context, c Client, read func(context.Context, transport.Source) (T, error)) (T, string, error) {
	return transport.Ask(ctx, c.Socket, c.command(), read)
}

func (c Client) command() transport.Command { return transport.Command{Path: c.Command, Args: c.Args} }
