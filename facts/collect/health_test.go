package collect

import (
	"testing"
	"time"

	"stackpolicy/internal/podman"
)

// Three checks of 40 seconds each and a minute of slack: a container may be
// starting for three minutes, and longer by its start period.
func TestIsOverdue(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	every := podman.Check{Interval: 30 * time.Second, Timeout: 10 * time.Second, Retries: 3}
	with := func(change func(*podman.Check)) podman.Check {
		c := every
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		check   podman.Check
		health  string
		started time.Time
		want    bool
	}{
		"just started":                    {every, "starting", ago(time.Second), false},
		"starting, at its limit":          {every, "starting", ago(3 * time.Minute), false},
		"starting, beyond its limit":      {every, "starting", ago(181 * time.Second), true},
		"starting, in its start period":   {with(func(c *podman.Check) { c.StartPeriod = time.Hour }), "starting", ago(50 * time.Minute), false},
		"starting, after it":              {with(func(c *podman.Check) { c.StartPeriod = time.Hour }), "starting", ago(64 * time.Minute), true},
		"starting, check disabled":        {with(func(c *podman.Check) { c.Interval = 0 }), "starting", ago(time.Hour), true},
		"starting, no retries":            {with(func(c *podman.Check) { c.Retries = 0 }), "starting", ago(2 * time.Minute), true},
		"healthy, checked just now":       {with(func(c *podman.Check) { c.LastRun = ago(20 * time.Second) }), "healthy", ago(time.Hour), false},
		"healthy, checked three ago":      {with(func(c *podman.Check) { c.LastRun = ago(3 * time.Minute) }), "healthy", ago(time.Hour), false},
		"healthy, its timer is gone":      {with(func(c *podman.Check) { c.LastRun = ago(4 * time.Minute) }), "healthy", ago(time.Hour), true},
		"unhealthy, its timer is gone":    {with(func(c *podman.Check) { c.LastRun = ago(4 * time.Minute) }), "unhealthy", ago(time.Hour), true},
		"healthy before it was started":   {with(func(c *podman.Check) { c.LastRun = ago(time.Hour) }), "healthy", ago(time.Minute), false},
		"healthy, no log":                 {every, "healthy", ago(time.Hour), false},
		"healthy, checked only by hand":   {with(func(c *podman.Check) { c.LastRun = ago(time.Hour); c.Interval = 0 }), "healthy", ago(2 * time.Hour), false},
		"healthy, a clock that went back": {with(func(c *podman.Check) { c.LastRun = ago(-time.Hour) }), "healthy", ago(-time.Hour), false},
	} {
		if got := isOverdue(c.check, c.health, c.started, now); got != c.want {
			t.Errorf("%s: overdue %t, want %t", name, got, c.want)
		}
	}
	down := podman.Container{State: "exited", Health: "starting", Check: &every, StartedAt: ago(time.Hour)}
	if healthCheck(down, now).Overdue || healthCheck(podman.Container{State: "running"}, now) != nil {
		t.Error("a container that is down, or that has no check, is overdue")
	}
}
