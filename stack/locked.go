package stack

import (
	"errors"
	"fmt"
	"time"

	"stackpolicy/applied"
	"stackpolicy/internal/lock"
)

// applyLock lets one apply of a stack run at a time.
type applyLock struct {
	stack string
	path  string
}

func lockOf(runtimeDir string, s Stack) applyLock {
	return applyLock{s.Name, applied.LockPath(runtimeDir, s.Name)}
}

// take holds the lock until release is called.
func (l applyLock) take(now time.Time) (release func(), p *Problem) {
	release, err := lock.Take(l.path, now)
	return release, l.problem(err)
}

// free returns nil when nobody holds the lock.
func (l applyLock) free() *Problem { return l.problem(lock.Free(l.path)) }

func (l applyLock) problem(err error) *Problem {
	var held *lock.HeldError
	switch {
	case errors.As(err, &held):
		return &Problem{
			Outcome: Locked, Message: fmt.Sprintf("another apply of %s is running: %s", l.stack, held.Holder),
			Hint: "wait until it is done, or look at it with ps",
		}
	case err != nil:
		return &Problem{
			Outcome: Locked, Message: "whether another apply is running cannot be determined", Details: lines(err),
			Hint: "the lock is below $XDG_RUNTIME_DIR, which has to be the user's own folder",
		}
	}
	return nil
}
