package podman

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

// ErrNoEvents means that podman is configured to keep no events (events_logger = "none" in
// containers.conf(5)). Then only reading again shows changes.
var ErrNoEvents = errors.New("podman keeps no events (events_logger is none)")

// maxHealths bounds how many containers' health is remembered.
const maxHealths = 10_000

// Follow calls changed for each event of podman that can change what [Client.Containers] or
// [Client.ImageIDs] say, until ctx ends or the events do, and returns why: [ErrAbsent] if
// podman is not installed, [ErrNoEvents] if it has none to follow. image is whether an image
// changed (pull, tag, untag, remove, …). Else a container, pod, network or volume did.
//
// It calls ready once: what changes after that is not missed. Some changes of the second
// before that may come too. changed should return soon, because meanwhile podman waits.
//
// Podman is asked over the socket or with the command, whichever answers first, as in
// [Client.Containers]. A followed service of the socket does not end when it is idle.
// Reading gives no events. Podman hands on an event of the journal up to 0.5 s after the
// command that caused it has ended, on both ways. All this was seen with podman 4.3 and 5.4.
//
// A health check that ends as the one before is left out, and so are commands that run in a
// container. Podman 4.3 says in the event of a check how the one before ended. So each check
// that fails there counts as a change, as it may be the one that makes it unhealthy.
func (c Client) Follow(ctx context.Context, ready func(), changed func(image bool)) error {
	way, err := c.whoHasEvents(ctx)
	if err != nil {
		return err
	}
	question := eventsSince(time.Now().Add(-time.Second))
	seen := healths{}
	line := func(line []byte) error {
		if err := answer.Validate(line); err != nil {
			return err
		}
		if event := gjson.ParseBytes(line); seen.isChange(event) {
			changed(event.Get("Type").Str == "image")
		}
		return nil
	}
	if way == "socket" {
		err = transport.FollowSocket(ctx, c.Socket, question, ready, line)
	} else {
		err = c.command().Follow(ctx, question, ready, line)
	}
	return fmt.Errorf("follow podman's events: %w", err)
}

// whoHasEvents returns the way over which podman answers, "socket" or "command".
func (c Client) whoHasEvents(ctx context.Context) (way string, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	logger, way, err := ask(ctx, c, func(ctx context.Context, from transport.Source) (string, error) {
		info, err := from.Answer(ctx, transport.Question{Args: []string{"info", "--format", "json"}, Path: "info"})
		if err == nil {
			err = answer.Validate(info)
		}
		return gjson.GetBytes(info, "host.eventLogger").Str, err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("ask podman how it keeps events: %w", err)
	case way == "":
		return "", ErrAbsent
	case logger == "none":
		return "", ErrNoEvents
	}
	return way, nil
}

// eventsSince returns the question for all events from a time on. Without that time, the
// command would miss what happens until it listens.
func eventsSince(since time.Time) transport.Question {
	query := url.Values{"stream": {"true"}, "since": {seconds(since)}}
	return transport.Question{Args: []string{"events", "--format", "json", "--since", seconds(since)}, Path: "events?" + query.Encode()}
}

// healths is how the last health check of each container ended, by its id.
type healths map[string]checked

type checked struct{ status, exitCode string }

// isChange reports whether an event can be a change. An action that is not known can be one.
func (h healths) isChange(event gjson.Result) bool {
	of := eventOf(event)
	if of.Type != "container" {
		return true
	}
	before := h[of.ID]
	now, isFailure := before, false
	switch {
	case of.Action == "health_status" || strings.HasPrefix(of.Action, "health_status:"):
		now.status = first(event, "health_status", "HealthStatus", "Action")
	case of.Action == "exec_died": // of a check too, before podman 5
		now.exitCode = first(event, "ContainerExitCode", "Actor.Attributes.containerExitCode")
		isFailure = strings.Trim(now.exitCode, "0") != ""
	case strings.HasPrefix(of.Action, "exec"):
		return false
	case of.Action == "remove":
		delete(h, of.ID)
		return true
	default:
		return true
	}
	if _, isKnown := h[of.ID]; !isKnown && len(h) == maxHealths {
		clear(h)
	}
	h[of.ID] = now
	return now != before || isFailure
}

// first returns the first of the values that exists, in short; "0" if none does.
func first(of gjson.Result, keys ...string) string {
	for _, key := range keys {
		if value := of.Get(key); value.Exists() {
			return answer.Cut(value, 100)
		}
	}
	return "0"
}
