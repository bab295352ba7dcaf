package podman

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

const maxRuns = 20 // of a health check that are returned; podman keeps five by default

// HealthRun is one run of a container's health check.
type HealthRun struct {
	Start, End time.Time // UTC
	ExitCode   int       // 0 is healthy
	Output     string    // what the check printed; a text like those of [Container]
}

// Check says how a container's health is checked, and when the last check was.
type Check struct {
	Interval, Timeout, StartPeriod time.Duration // an Interval of 0 is one that was disabled
	Retries                        int
	FailingStreak                  int       // checks that failed in a row, up to now
	LastRun                        time.Time // the end of the last check, in UTC; zero when none ran, or the log does not say
}

// check reads a health check from inspect's output; nil if the container has none.
func check(of gjson.Result) *Check {
	settings, state := of.Get("Config.Healthcheck"), healthState(of)
	if !settings.IsObject() || answer.Text(state.Get("Status")) == "" {
		return nil
	}
	c := &Check{
		Interval:    time.Duration(settings.Get("Interval").Int()),
		Timeout:     time.Duration(settings.Get("Timeout").Int()),
		StartPeriod: time.Duration(settings.Get("StartPeriod").Int()),
		Retries:     int(settings.Get("Retries").Int()),

		FailingStreak: int(state.Get("FailingStreak").Int()),
	}
	if log := state.Get("Log").Array(); len(log) > 0 {
		c.LastRun, _ = answer.Moment(log[len(log)-1], "End") // a malformed time counts as no time
	}
	return c
}

func health(of gjson.Result) string { return answer.Text(healthState(of).Get("Status")) }

// healthState is State.Health since podman 4.0, and was State.Healthcheck
// before (github.com/containers/podman/pull/11654).
func healthState(of gjson.Result) gjson.Result {
	if state := of.Get("State.Health"); state.Get("Status").Exists() {
		return state
	}
	return of.Get("State.Healthcheck")
}

// HealthLog reads the last runs of a container's health check, oldest first: nil if it has
// no check or no check ran yet. A container that does not exist is an error. Podman is asked
// as in [Client.Containers].
func (c Client) HealthLog(ctx context.Context, id string) ([]HealthRun, error) {
	if err := answer.CheckID(id); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	runs, transport, err := ask(ctx, c, func(ctx context.Context, from transport.Source) ([]HealthRun, error) {
		document, err := from.Document(ctx, "container", id)
		if err != nil {
			return nil, err
		}
		return parseHealthLog(document, id)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("health log of container %s: %w", id, err)
	case transport == "":
		return nil, ErrAbsent
	}
	return runs, nil
}

func parseHealthLog(document gjson.Result, id string) ([]HealthRun, error) {
	if about, err := answer.ID(document); err != nil || about != id {
		return nil, errors.Join(err, fmt.Errorf("the answer is about container %q", about))
	}
	entries := healthState(document).Get("Log").Array()
	entries = entries[max(0, len(entries)-maxRuns):]
	var runs []HealthRun
	for i, entry := range entries {
		run, err := healthRun(entry)
		if err != nil {
			return nil, fmt.Errorf("run %d of %d: %w", i+1, len(entries), err)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

func healthRun(entry gjson.Result) (HealthRun, error) {
	start, err := answer.Moment(entry, "Start")
	if err != nil {
		return HealthRun{}, err
	}
	end, err := answer.Moment(entry, "End")
	if err != nil {
		return HealthRun{}, err
	}
	return HealthRun{
		Start:    start,
		End:      end,
		ExitCode: int(entry.Get("ExitCode").Int()),
		Output:   answer.Text(entry.Get("Output")),
	}, nil
}
