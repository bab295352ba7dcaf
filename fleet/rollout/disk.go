package rollout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"stackpolicy/internal/atomicfile"
)

// The changes on disk. A process may be killed before each of them, and a machine may lose its
// power: what one wrote is on the disk before the next begins.

func (h Host) before(what string) error {
	if h.step == nil {
		return nil
	}
	return h.step(what)
}

// write writes a file in one step.
func (h Host) write(path string, text []byte) error {
	if err := h.before("write " + filepath.Base(path)); err != nil {
		return err
	}
	return errors.Join(atomicfile.Write(path, 0o600, func(w io.Writer) error { _, err := w.Write(text); return err }), syncFolder(filepath.Dir(path)))
}

func (h Host) mkdir(path string) error {
	if err := h.before("mkdir " + filepath.Base(path)); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o700)
}

func (h Host) remove(path string) error {
	if err := h.before("remove " + filepath.Base(path)); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(path), syncFolder(filepath.Dir(path)))
}

func (h Host) rename(from, to string) error {
	if err := h.before("rename to " + filepath.Base(to)); err != nil {
		return err
	}
	return errors.Join(os.Rename(from, to), syncFolder(filepath.Dir(to)))
}

func (h Host) symlink(target, path string) error {
	if err := h.before("link " + filepath.Base(path)); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

// activate makes a slot the active one, "" none, in one step.
func (h Host) activate(slot string) error {
	if slot == "" {
		return h.remove(h.path(activeLink))
	}
	fresh := h.path("active.new")
	if err := h.remove(fresh); err != nil {
		return err
	}
	if err := h.symlink(slot, fresh); err != nil {
		return err
	}
	return h.rename(fresh, h.path(activeLink))
}

func syncFolder(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(unix.Fsync(fd), unix.Close(fd)); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
