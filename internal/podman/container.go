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
	Labels        map[string]string // never nil; a value of over 16 KiB is cut
	LabelsLeft    int               // labels that were left out: [IsRead] tells which never are
	Settings      Settings
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
	kept, left := labels(of.Get("Config.Labels"))
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
		Labels:        kept,
		LabelsLeft:    left,
		Settings:      settingsOf(of),
	}, nil
}

// Bounds of a container's labels. An image may bring megabytes of them.
const (
	maxLabel  = 16 << 10 // bytes of a value
	maxLabels = 64 << 10 // bytes of all that nothing reads
)

// labels returns the labels, and how many it left out. It keeps those that something reads:
// no image can hide them behind many others.
func labels(of gjson.Result) (all map[string]string, left int) {
	all = map[string]string{}
	if !of.IsObject() {
		return all, 0
	}
	size := 0
	of.ForEach(func(k, v gjson.Result) bool {
		key, value := answer.Text(k), answer.Cut(v, maxLabel)
		if !IsRead(key) {
			if size += len(key) + len(value); size > maxLabels {
				left++
				return true
			}
		}
		all[key] = value
		return true
	})
	return all, left
}
