package collect

import (
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

// checkSlack is how late a health check may be without a finding: podman runs it by a
// timer, on a machine that may be busy.
const checkSlack = time.Minute

func healthCheck(c podman.Container, now time.Time) *facts.HealthCheck {
	if c.Check == nil {
		return nil
	}
	return &facts.HealthCheck{
		IntervalSec: c.Check.Interval.Seconds(), TimeoutSec: c.Check.Timeout.Seconds(),
		StartPeriodSec: c.Check.StartPeriod.Seconds(), Retries: c.Check.Retries, FailingStreak: c.Check.FailingStreak,
		Overdue: c.State == "running" && isOverdue(*c.Check, c.Health, c.StartedAt, now),
	}
}

// isOverdue reports whether the health check of a container, which has run since started,
// gives no results: it is starting for longer than the check's settings allow, or its last
// check is older than three intervals. A check whose timer is gone, or that is disabled,
// keeps its last result for ever.
func isOverdue(c podman.Check, health string, started, now time.Time) bool {
	one := c.Interval + c.Timeout
	switch {
	case health == "starting":
		return now.Sub(started) > c.StartPeriod+time.Duration(max(c.Retries, 1))*one+checkSlack
	case c.LastRun.IsZero() || c.Interval == 0: // the log can be empty, and a check can be run by hand
		return false
	case c.LastRun.Before(started):
		return now.Sub(started) > 3*one+checkSlack
	}
	return now.Sub(c.LastRun) > 3*one+checkSlack
}
