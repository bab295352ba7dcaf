package enforce

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Lock makes this the only enforcing audit of a user. It lies in the user's
// runtime folder and ends with the process, however that ends. When another
// holds it, the error says who and since when.
func Lock(runtimeDir string, now time.Time) (release func(), err error) {
	dir := filepath.Join(runtimeDir, "stackpolicy")
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil // no runtime folder, no manager: there is nothing to act on
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the lock's folder: %w", err)
	}
	path := filepath.Join(dir, "audit.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := make([]byte, 200)
		n, _ := f.Read(holder) // whoever it is, it is held
		_ = f.Close()
		return nil, fmt.Errorf("another audit is enforcing (%s); wait for it, or look at it with ps", strings.TrimSpace(string(holder[:n])))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "process %d since %s\n", os.Getpid(), now.UTC().Format(time.RFC3339))
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("take the lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
