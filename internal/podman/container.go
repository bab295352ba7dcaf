package podman

import (
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
)

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

// containerOf reads one container from inspect's output. Missing keys are zero values, because
// podman leaves out keys that do not apply.
func containerOf(of gjson.Result) (Container, error) {
	id, err := answer.ID(of)
	if err != nil {
		return Container{}, err
	}
	created, err := answer.Moment(of, "Created")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	started, err := answer.Moment(of, "State.StartedAt")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	finished, err := answer.Moment(of, "State.FinishedAt")
	if err != nil {
		return Container{}, fmt.Errorf("%s: %w", id, err)
	}
	return Container{
		ID:            id,
		Name:          answer.Text(of.Get("Name")),
		Image:         answer.Text(of.Get("ImageName")),
		ImageID:       answer.Text(of.Get("Image")),
		Pod:           answer.Text(of.Get("Pod")),
		Infra:         of.Get("IsInfra").Bool(),
		State:         answer.Text(of.Get("State.Status")),
		Health:        health(of),
		Check:         check(of),
		ExitCode:      int(of.Get("State.ExitCode").Int()),
		Restarts:      int(of.Get("RestartCount").Int()),
		RestartPolicy: answer.Text(of.Get("HostConfig.RestartPolicy.Name")),
		CreatedAt:     created,
		StartedAt:     started,
		FinishedAt:    finished,
		Labels:        labels(of.Get("Config.Labels")),
	}, nil
}

// labels keeps every label: with a limit, an image could hide the labels that matter behind
// many others.
func labels(of gjson.Result) map[string]string {
	all := map[string]string{}
	if of.IsObject() {
		of.ForEach(func(key, value gjson.Result) bool {
			all[answer.Text(key)] = answer.Text(value)
			return true
		})
	}
	return all
}
