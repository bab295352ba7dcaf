package enforce

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/internal/lock"
)

// WasLocked reports whether an enforcing audit ran since the user's runtime folder was made,
// which is when the machine booted or the user's first session began.
func WasLocked(runtimeDir string) bool {
	_, err := os.Lstat(auditLock(runtimeDir))
	return err == nil
}

func auditLock(runtimeDir string) string {
	return filepath.Join(runtimeDir, "stackpolicy", "audit.lock")
}

// Lock makes this the only enforcing audit of a user. The lock is in the user's runtime
// folder. It ends with the process, even if that is killed. If another audit holds it,
// the error says which process and since when.
func Lock(runtimeDir string, now time.Time) (release func(), err error) {
	release, err = lock.Take(auditLock(runtimeDir), now)
	var held *lock.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("another audit is enforcing (%s); wait for it, or see what it does with ps", held.Holder)
	case errors.Is(err, fs.ErrNotExist):
		return func() {}, nil // without a runtime folder there is no manager to act on
	}
	return release, err
}
