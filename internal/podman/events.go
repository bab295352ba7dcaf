package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

// Event is something that podman did (podman-events(1)).
type Event struct {
	Type   string // container or image
	Action string // create, pull or tag
	ID     string // of the container, or of the image; empty for a pull before podman 5
	Name   string // of the container; of an image the name that was pulled or given
	Image  string // the name of the container's image
}

// maxEvents bounds how many events are kept of a window.
const maxEvents = 10_000

// eventActions are the actions that are asked for. There are many more, above all of health
// checks.
var eventActions = []string{"create", "pull", "tag"}

// Events reads what podman created, pulled and tagged in a window of time, oldest
// first. Podman is asked as in [Client.Containers]; the window has to be in the past.
func (c Client) Events(ctx context.Context, since, until time.Time) ([]Event, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	question, err := eventsBetween(since, until)
	if err != nil {
		return nil, err
	}
	events, _, err := ask(ctx, c, func(ctx context.Context, from transport.Source) ([]Event, error) {
		lines, err := from.Answer(ctx, question)
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		return eventsOf(lines)
	})
	return events, err
}

// eventsBetween returns the question for the events of a window.
func eventsBetween(since, until time.Time) (transport.Question, error) {
	args := []string{"events", "--stream=false", "--format", "json", "--since", seconds(since), "--until", seconds(until)}
	for _, action := range eventActions {
		args = append(args, "--filter", "event="+action)
	}
	filters, err := json.Marshal(map[string][]string{"event": eventActions})
	query := url.Values{"stream": {"false"}, "since": {seconds(since)}, "until": {seconds(until)}, "filters": {string(filters)}}
	return transport.Question{Args: args, Path: "events?" + query.Encode()}, err
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// eventsOf reads events, one a line. The API calls the same things otherwise than
// the command does.
func eventsOf(lines []byte) ([]Event, error) {
	var events []Event
	for _, line := range bytes.Split(lines, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := answer.Validate(line); err != nil {
			return nil, err
		}
		if len(events) == maxEvents {
			return nil, fmt.Errorf("more than %d events", maxEvents)
		}
		events = append(events, eventOf(gjson.ParseBytes(line)))
	}
	return events, nil
}

func eventOf(of gjson.Result) Event {
	if of.Get("Actor").IsObject() {
		return Event{
			Type: answer.Text(of.Get("Type")), Action: answer.Text(of.Get("Action")), ID: answer.Text(of.Get("Actor.ID")),
			Name: answer.Text(of.Get("Actor.Attributes.name")), Image: answer.Text(of.Get("Actor.Attributes.image")),
		}
	}
	return Event{
		Type: answer.Text(of.Get("Type")), Action: answer.Text(of.Get("Status")), ID: answer.Text(of.Get("ID")),
		Name: answer.Text(of.Get("Name")), Image: answer.Text(of.Get("Image")),
	}
}
