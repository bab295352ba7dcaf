package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"stackpolicy/internal/podman/answer"
)

const (
	// apiRoot names the oldest API that podman 4 and 5 serve alike. The host
	// is never looked up: every connection goes to the socket.
	apiRoot     = "http://podman/v4.0.0/libpod/"
	concurrency = 4 // inspections at a time, and connections
)

// api is the libpod API behind a unix socket.
type api struct{ http *http.Client }

func newAPI(socket string) api {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return api{&http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DisableCompression:     true, // bounds below count what memory holds
			MaxConnsPerHost:        concurrency,
			MaxIdleConnsPerHost:    concurrency,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// List implements [Source].
func (a api) List(ctx context.Context) ([]gjson.Result, error) {
	body, err := a.first(ctx, "containers/json?all=true")
	if err != nil {
		return nil, err
	}
	return answer.Array(body)
}

// Document implements [Source].
func (a api) Document(ctx context.Context, kind, name string) (gjson.Result, error) {
	return parsed(a.first(ctx, kind+"s/"+name+"/json"))
}

// Documents leaves out containers that are gone.
func (a api) Documents(ctx context.Context, ids []string) (all []gjson.Result, err error) {
	for _, id := range ids {
		document, err := a.Document(ctx, "container", id)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", id, err)
		}
		all = append(all, document)
	}
	return all, nil
}

// Answer implements [Source].
func (a api) Answer(ctx context.Context, q Question) ([]byte, error) { return a.first(ctx, q.Path) }

func parsed(body []byte, err error) (gjson.Result, error) {
	if err != nil {
		return gjson.Result{}, err
	}
	return gjson.ParseBytes(body), answer.Validate(body)
}

// first is the first request, which shows whether anybody answers. It waits for half of the
// context's remaining time, and wraps errUnanswered if there was no complete answer.
func (a api) first(ctx context.Context, path string) ([]byte, error) {
	if end, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	body, err := a.get(ctx, path)
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errUnanswered) {
		return nil, fmt.Errorf("%w to the end: %w", errUnanswered, err)
	}
	return body, err
}

// Inspect asks for several containers at the same time. It leaves out containers that are
// gone, and ends with the first other error.
func (a api) Inspect(ctx context.Context, ids []string, read func(gjson.Result) error) error {
	var reading sync.Mutex
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(concurrency)
	for _, id := range ids {
		workers.Go(func() error {
			document, err := a.inspect(ctx, id)
			if errors.Is(err, errGone) {
				return nil
			}
			if err == nil {
				reading.Lock()
				defer reading.Unlock()
				err = read(document)
			}
			if err != nil {
				return fmt.Errorf("container %s: %w", id, err)
			}
			return nil
		})
	}
	return workers.Wait()
}

func (a api) inspect(ctx context.Context, id string) (gjson.Result, error) {
	document, err := parsed(a.get(ctx, "containers/"+id+"/json"))
	if err != nil {
		return gjson.Result{}, err
	}
	about, err := answer.ID(document)
	if err == nil && about != id {
		err = fmt.Errorf("the answer is about container %s", about)
	}
	return document, err
}

// get returns the body of a successful answer. It wraps errUnanswered if there is no answer,
// which also happens if a socket-activated service dies when it starts.
func (a api) get(ctx context.Context, path string) ([]byte, error) {
	var answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, apiRoot+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := a.http.Do(request)
	switch {
	case err != nil && !answered.Load():
		return nil, fmt.Errorf("%w: %w", errUnanswered, err)
	case err != nil:
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(body) > maxAnswer:
		return nil, errTooLong
	case response.StatusCode != http.StatusOK:
		return nil, refusal(response.StatusCode, body)
	}
	return body, nil
}

// refusal reads podman's error document. Only "no such container" with status 404 proves that
// the requested container is gone: with status 500 it can be about a container that this one
// depends on. Any other 404, except "image not known", means that podman does not serve the
// path.
func refusal(status int, body []byte) error {
	message := string(body)
	if answer.Validate(body) == nil && gjson.GetBytes(body, "message").Type == gjson.String {
		message = gjson.GetBytes(body, "message").Str
	}
	message = message[:min(len(message), maxComplaint)]
	err := fmt.Errorf("status %d: %q", status, message)
	vanished := strings.Contains(message, errGone.Error()) || strings.Contains(message, "has already been removed")
	switch {
	case status == http.StatusNotFound && vanished:
		return fmt.Errorf("%w: %w", errGone, err)
	case status == http.StatusNotFound && strings.Contains(message, ErrNoImage.Error()):
		return fmt.Errorf("%w: %w", ErrNoImage, err)
	case vanished:
		return fmt.Errorf("%w: %w", ErrVanished, err)
	}
	return err
}
