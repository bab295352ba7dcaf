// Package lock prevents two processes of one user from doing the same work at the
// same time. A lock belongs to a file and ends with its process, even if that is
// killed.
package lock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/regularfile"
)

// patience is how long Take waits, in case another process is only in [Free].
const patience = time.Second

// HeldError means that another process holds the lock.
type HeldError struct {
	Holder string // what that process wrote into the lock: its id, and since when
}

func (e *HeldError) Error() string { return "held by " + e.Holder }

// Take takes the lock at path. It makes the file's folder if that is missing; if
// the folder above it is missing, the error is [fs.ErrNotExist]. If another process
// holds the lock, the error is a [*HeldError].
func Take(path string, now time.Time) (release func(), err error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "process %d since %s\n", os.Getpid(), now.UTC().Format(time.RFC3339)), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take the lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// Free checks whether the lock at path could be taken, without taking it. It
// returns nil if it could, and otherwise the error of [Take].
func Free(path string) error {
	f, err := regularfile.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the lock: %w", err)
	}
	defer f.Close()
	return flock(f, syscall.LOCK_SH)
}

func open(path string) (*os.File, error) {
	if err := OwnFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := regularfile.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	return f, nil
}

// OwnFolder makes a folder for what processes of one user share. It refuses a folder that
// somebody else has put in its place: in a shared folder above it, others may make a link or
// a folder of that name.
func OwnFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at a folder: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !known || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is no folder of this account", dir)
	}
	return nil
}

// flock takes a lock of flock(2). [Free] takes a shared lock for a moment, so an
// exclusive lock is tried again until patience is over.
func flock(f *os.File, how int) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("take the lock %s: %w", f.Name(), err)
		}
		if how == syscall.LOCK_SH || time.Now().After(end) {
			return &HeldError{holder(f)}
		}
	}
}

func holder(f *os.File) string {
	text := make([]byte, 200)
	n, err := f.ReadAt(text, 0)
	if err != nil && err != io.EOF || n == 0 {
		return "a process that has not said which"
	}
	return strings.TrimSpace(string(text[:n]))
}
