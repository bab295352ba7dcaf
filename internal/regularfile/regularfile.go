// Package regularfile opens files that somebody else may have made. It only opens regular
// files, and reads at most as much as the caller allows: a FIFO, a device or a folder instead
// of a file is an error, and nothing waits for it.
//
// Start at [Read].
package regularfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var (
	// ErrNotRegular is the error for anything but a regular file.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge is the error for more content than the caller allows.
	ErrTooLarge = errors.New("too large")
)

// InHome returns a path of a configuration with the home folder for a leading "~/". Shells do
// that too, so people write it.
func InHome(path string) string {
	below, isInHome := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !isInHome || err != nil {
		return path
	}
	return filepath.Join(home, below)
}

// Open opens a regular file for reading. Errors are [*fs.PathError].
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is [os.OpenFile] for a regular file. It does not wait for the other
// end of a FIFO (open(2), O_NONBLOCK).
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK|syscall.O_CLOEXEC, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns the content of a regular file of at most limit bytes. The error
// is [fs.ErrNotExist] only if nothing is there: if the file, or a folder above it, is a
// dangling link, that is another error. Errors are [*fs.PathError].
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dangling(path, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := ReadAll(f, limit)
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return content, err
}

// ReadAll returns what r has, at most limit bytes. A file that is larger is not
// read at all.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	size := sizeOf(r)
	if size > limit {
		return nil, tooLarge(limit)
	}
	var all bytes.Buffer
	all.Grow(int(size) + bytes.MinRead) // so that it need not grow again
	n, err := all.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		return nil, tooLarge(limit)
	}
	return all.Bytes(), err
}

// sizeOf returns the size of a regular file, and 0 for other readers.
func sizeOf(r io.Reader) int64 {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}

// tooLarge is an [ErrTooLarge] that names the limit in bytes.
type tooLarge int64

func (limit tooLarge) Is(target error) bool { return target == ErrTooLarge }

func (limit tooLarge) Error() string {
	switch {
	case limit >= 1<<20:
		return fmt.Sprintf("larger than %d MiB", limit>>20)
	case limit >= 1<<10:
		return fmt.Sprintf("larger than %d KiB", limit>>10)
	}
	return fmt.Sprintf("larger than %d bytes", int64(limit))
}

// dangling returns err, or an error that names the dangling link that is the file or a folder
// above it.
func dangling(path string, err error) error {
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		info, missing := os.Lstat(at)
		if missing != nil && at != filepath.Dir(at) {
			continue
		}
		if missing == nil && info.Mode()&fs.ModeSymlink != 0 {
			if _, gone := os.Stat(at); errors.Is(gone, fs.ErrNotExist) {
				target, _ := os.Readlink(at)
				return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%s is a link to %s, which does not exist", at, target)}
			}
		}
		return err
	}
}
