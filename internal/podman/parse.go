package podman

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

const (
	maxDepth = 100      // of nested JSON; podman's has about six
	maxText  = 64 << 10 // bytes of one text
	cutMark  = "…(cut)"
)

// parseContainers reads the output of `podman inspect`.
func parseContainers(data []byte) ([]Container, error) {
	entries, err := parseArray(data)
	if err != nil {
		return nil, err
	}
	containers := make([]Container, len(entries))
	for i, entry := range entries {
		if containers[i], err = container(entry); err != nil {
			return nil, fmt.Errorf("container %d of %d: %w", i+1, len(entries), err)
		}
	}
	return containers, nil
}

// parseContainer reads the API's answer for one container.
func parseContainer(data []byte) (Container, error) {
	if err := validate(data); err != nil {
		return Container{}, err
	}
	return container(gjson.ParseBytes(data))
}

// parseArray returns the entries of a list, up to maxContainers of them.
func parseArray(data []byte) ([]gjson.Result, error) {
	if err := validate(data); err != nil {
		return nil, err
	}
	list := gjson.ParseBytes(data)
	if !list.IsArray() {
		return nil, fmt.Errorf("answer is no list: %.40q", data)
	}
	var entries []gjson.Result
	list.ForEach(func(_, entry gjson.Result) bool {
		entries = append(entries, entry)
		return len(entries) <= maxContainers
	})
	if len(entries) > maxContainers {
		return nil, fmt.Errorf("answer has more than %d containers", maxContainers)
	}
	return entries, nil
}

// validate refuses malformed JSON that gjson would accept, and nesting so deep that gjson's
// recursive check would exhaust the stack.
func validate(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("answer is empty")
	case depth(data) > maxDepth:
		return fmt.Errorf("answer nests deeper than %d", maxDepth)
	case !gjson.ValidBytes(data):
		return fmt.Errorf("answer is malformed JSON: %.40q", data)
	}
	return nil
}

// depth returns how deep JSON is nested. It skips strings, and accepts malformed JSON.
func depth(data []byte) int {
	var now, deepest int
	inString := false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '[' || b == '{':
			now++
			deepest = max(deepest, now)
		case b == ']' || b == '}':
			now--
		}
	}
	return deepest
}

// container reads one container from inspect's output. Missing keys are zero values, because
// podman leaves out keys that do not apply.
func container(of gjson.Result) (Container, error) {
	id, err := parseID(of)
	if err != nil {
		return Container{}, err
	}
	created, err := moment(of, "Created")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	started, err := moment(of, "State.StartedAt")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	finished, err := moment(of, "State.FinishedAt")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	return Container{
		ID:            id,
		Name:          text(of.Get("Name")),
		Image:         text(of.Get("ImageName")),
		ImageID:       text(of.Get("Image")),
		Pod:           text(of.Get("Pod")),
		Infra:         of.Get("IsInfra").Bool(),
		State:         text(of.Get("State.Status")),
		Health:        health(of),
		Check:         check(of),
		ExitCode:      int(of.Get("State.ExitCode").Int()),
		Restarts:      int(of.Get("RestartCount").Int()),
		RestartPolicy: text(of.Get("HostConfig.RestartPolicy.Name")),
		CreatedAt:     created,
		StartedAt:     started,
		FinishedAt:    finished,
		Labels:        labels(of.Get("Config.Labels")),
	}, nil
}

// parseID reads a container's or an image's id.
func parseID(of gjson.Result) (string, error) {
	id := of.Get("Id")
	if id.Str == "" { // also where it is no text
		return "", errors.New("Id is missing")
	}
	return strings.Clone(id.Str), checkID(id.Str)
}

// checkID requires hexadecimal digits, because an id becomes an argument of the command and
// a part of the API's paths.
func checkID(id string) error {
	if id == "" || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("Id is not hexadecimal: %.80q", id)
	}
	return nil
}

func health(of gjson.Result) string { return text(healthState(of).Get("Status")) }

// healthState is State.Health since podman 4.0, and was State.Healthcheck
// before (github.com/containers/podman/pull/11654).
func healthState(of gjson.Result) gjson.Result {
	if state := of.Get("State.Health"); state.Get("Status").Exists() {
		return state
	}
	return of.Get("State.Healthcheck")
}

// moment reads a time, in UTC. Podman writes Go's zero time, in year 1, for never.
func moment(of gjson.Result, key string) (time.Time, error) {
	value := of.Get(key)
	if value.Type == gjson.Null || value.Str == "" && value.Type == gjson.String {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, value.String())
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", key, err)
	}
	return at.UTC(), nil
}

// labels keeps every label: with a limit, an image could hide the labels that matter behind
// many others.
func labels(of gjson.Result) map[string]string {
	all := map[string]string{}
	if of.IsObject() {
		of.ForEach(func(key, value gjson.Result) bool {
			all[text(key)] = text(value)
			return true
		})
	}
	return all
}

// text returns a value as valid UTF-8, cut if it is too long. It is a copy, because a part of
// the answer would keep the whole answer in memory.
func text(value gjson.Result) string {
	s := strings.ToValidUTF8(value.String(), "\uFFFD")
	if len(s) <= maxText {
		return strings.Clone(s)
	}
	return strings.ToValidUTF8(s[:maxText-len(cutMark)], "") + cutMark
}
