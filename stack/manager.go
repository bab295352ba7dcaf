package stack

import (
	"context"
	"time"
)

// Manager is what the verbs ask of the user manager about a stack's unit.
// [systemd.User] is one.
type Manager interface {
	// Job returns the type of the unit's job now, such as stop or restart; "" without one.
	Job(ctx context.Context, unit string) (string, error)
	// Restarts returns how often the unit was restarted automatically since it was last
	// started otherwise.
	Restarts(ctx context.Context, unit string) (int, error)
	// StopTimeout returns how long the unit may take to stop; -1 without a limit.
	StopTimeout(ctx context.Context, unit string) (time.Duration, error)
	// StartTimeout returns how long each command of the unit's start may take; -1 without
	// a limit.
	StartTimeout(ctx context.Context, unit string) (time.Duration, error)
}

// Bounds on one answer. What only makes a message better waits for less than what
// decides whether containers are stopped.
const (
	noteLimit = 2 * time.Second
	jobLimit  = 10 * time.Second
)

// unitManager asks about one stack's unit.
type unitManager struct {
	asked Manager
	unit  string
}

// job returns the type of the unit's job.
func (m unitManager) job(ctx context.Context) (string, error) {
	limited, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	return m.asked.Job(limited, m.unit)
}

// isStopping reports whether the unit is stopped now, also for a restart. A start whose
// time is over does not count, nor does a signal of another process. It asks although ctx
// may have ended.
func (m unitManager) isStopping(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	job, err := m.asked.Job(limited, m.unit)
	return err == nil && (job == "stop" || job == "restart")
}

// restarts returns 0 if the number is not known.
func (m unitManager) restarts(ctx context.Context) int {
	limited, cancel := context.WithTimeout(ctx, noteLimit)
	defer cancel()
	n, err := m.asked.Restarts(limited, m.unit)
	if err != nil {
		return 0
	}
	return n
}

// stopLimit is how long the unit may take to stop; false if there is no limit, or it is
// not known.
func (m unitManager) stopLimit(ctx context.Context) (time.Duration, bool) {
	return m.limit(ctx, m.asked.StopTimeout)
}

// startLimit is how long each command of the unit's start may take; false if there is no
// limit, or it is not known.
func (m unitManager) startLimit(ctx context.Context) (time.Duration, bool) {
	return m.limit(ctx, m.asked.StartTimeout)
}

func (m unitManager) limit(ctx context.Context, ask func(context.Context, string) (time.Duration, error)) (time.Duration, bool) {
	limited, cancel := context.WithTimeout(ctx, noteLimit)
	defer cancel()
	limit, err := ask(limited, m.unit)
	return limit, err == nil && limit >= 0
}
