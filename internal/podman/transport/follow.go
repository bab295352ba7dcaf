package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"stackpolicy/internal/bounded"
)

const (
	maxLine    = 1 << 20          // bytes of one line of an answer that does not end
	answerTime = 10 * time.Second // until such an answer has begun
)

var (
	errLineTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)
	errEnded       = errors.New("podman ended the answer")
	errNoBegin     = fmt.Errorf("%w within %v", errUnanswered, answerTime)
)

// FollowSocket asks the API a question whose answer does not end. It calls begun once the
// answer has begun, and line for each of its lines, until that returns an error, ctx ends or
// the answer does after all. It returns why, which is never nil.
func FollowSocket(ctx context.Context, socket string, q Question, begun func(), line func([]byte) error) error {
	api := newAPI(socket)
	defer api.http.CloseIdleConnections()
	if err := api.follow(ctx, q, begun, &lines{line: line}); err != nil {
		return fmt.Errorf("podman socket %q: %w", socket, err)
	}
	return fmt.Errorf("podman socket %q: %w", socket, errEnded)
}

func (a api) follow(ctx context.Context, q Question, begun func(), to io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(answerTime, func() { cancel(errNoBegin) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, apiRoot+q.Path, nil)
	if err != nil {
		return err
	}
	response, err := a.http.Do(request)
	if err != nil {
		return orCause(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, maxComplaint))
		return errors.Join(refusal(response.StatusCode, body), orCause(ctx, err))
	}
	if !late.Stop() {
		return context.Cause(ctx)
	}
	begun()
	_, err = io.Copy(to, response.Body)
	return orCause(ctx, err)
}

func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Follow does with the command what [FollowSocket] does with the API, but begun is called
// before the command runs, because it gives no sign that it listens. When it ends, the
// command and its process group are killed.
func (c Command) Follow(ctx context.Context, q Question, begun func(), line func([]byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &lines{line: line, refuse: cancel}
	stderr := &bounded.Tail{Limit: maxComplaint}
	begun()
	err := c.start(ctx, out, stderr, q.Args[0], q.Args[1:]...)
	if err == nil {
		err = errEnded
	}
	return fmt.Errorf("podman command: %w", complain(q.Args[0], err, stderr.Kept))
}

// lines calls line for each line that is written to it, except empty ones. A line that is
// too long, or that line returns an error for, is the last.
type lines struct {
	line   func([]byte) error
	refuse func(error) // called with that error; may be nil
	begun  []byte      // of a line without its end so far
	err    error
}

// Write returns the error with which it ended, again each time.
func (l *lines) Write(p []byte) (int, error) {
	rest := p
	for l.err == nil {
		part, after, isWhole := bytes.Cut(rest, []byte("\n"))
		if len(l.begun)+len(part) > maxLine {
			l.err = errLineTooLong
			break
		}
		l.begun = append(l.begun, part...)
		if !isWhole {
			return len(p), nil
		}
		if len(bytes.TrimSpace(l.begun)) > 0 {
			l.err = l.line(l.begun)
		}
		l.begun, rest = l.begun[:0], after
	}
	if l.refuse != nil {
		l.refuse(l.err)
	}
	return 0, l.err
}
