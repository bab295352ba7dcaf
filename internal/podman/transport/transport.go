// Package transport asks one user's podman: through its API socket, or through the podman
// command if nobody answers there. It hands on podman's answers as they are.
//
// Start at [Ask] and [Source]. Podman can hang, and a container can vanish while it is read:
// every call ends with its context, and an answer is either complete or an error.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/tidwall/gjson"
)

const maxAnswer = 64 << 20 // bytes of one answer, of the socket or the command

// Errors that callers react to.
var (
	ErrVanished = errors.New("a container vanished while it was read")
	ErrNoImage  = errors.New("image not known") // podman's own words
)

var (
	errGone       = errors.New("no such container") // podman's own words
	errUnanswered = errors.New("nobody answers")
	errNoSocket   = fmt.Errorf("%w: no such socket", errUnanswered)
	errTooLong    = fmt.Errorf("answer is longer than %d bytes", maxAnswer)
)

// Source is one way to reach podman. List and Inspect wrap [ErrVanished] if a container
// vanished while they read it: then the caller should try again.
type Source interface {
	// List returns podman's list of all containers.
	List(ctx context.Context) ([]gjson.Result, error)
	// Inspect calls read with inspect's output for each container, one after the other, in
	// any order. It comes after a List, which showed that podman answers.
	Inspect(ctx context.Context, ids []string, read func(gjson.Result) error) error
	// Document returns inspect's output for one "container" or "image". It wraps
	// [ErrNoImage] if podman has no such image.
	Document(ctx context.Context, kind, name string) (gjson.Result, error)
	// Documents returns inspect's output for containers, in the order of ids.
	Documents(ctx context.Context, ids []string) ([]gjson.Result, error)
	// Answer returns what podman answers to a question.
	Answer(ctx context.Context, q Question) ([]byte, error)
}

// Question is a question to podman, as each of the two sources asks it.
type Question struct {
	Args []string // of the command, its verb first
	Path string   // of the API, below libpod/
}

// Ask calls read with the socket, and with the command if nobody answers at the socket. It
// returns which one answered: "socket", "command", or "" without an error if podman is not
// installed.
func Ask[T any](ctx context.Context, socket string, command Command, read func(context.Context, Source) (T, error)) (answer T, transport string, err error) {
	answer, silence := askSocket(ctx, socket, read)
	switch {
	case !errors.Is(silence, errUnanswered):
		return answer, "socket", silence
	case command.Path != "":
		answer, err = askCommand(ctx, command, silence, read)
		return answer, "command", err
	case errors.Is(silence, errNoSocket):
		return answer, "", nil
	}
	return answer, "", silence
}

func askSocket[T any](ctx context.Context, socket string, read func(context.Context, Source) (T, error)) (none T, err error) {
	if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return none, errNoSocket
	}
	api := newAPI(socket)
	defer api.http.CloseIdleConnections()
	answer, err := read(ctx, api)
	if err != nil {
		return none, fmt.Errorf("podman socket %q: %w", socket, err)
	}
	return answer, nil
}

// askCommand asks the command, after the socket did not answer for the given reason.
func askCommand[T any](ctx context.Context, command Command, silence error, read func(context.Context, Source) (T, error)) (none T, err error) {
	answer, err := read(ctx, command)
	switch {
	case err != nil && errors.Is(silence, errNoSocket):
		return none, fmt.Errorf("podman command: %w", err)
	case err != nil:
		return none, fmt.Errorf("%w; and podman command: %w", silence, err)
	}
	return answer, nil
}
