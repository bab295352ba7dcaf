package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// removeTimeout bounds the wait for a cgroup's processes to be gone.
const removeTimeout = 5 * time.Second

// Cgroup is a control group that processes are started in.
type Cgroup struct {
	Dir    string
	handle *os.File // for processes to be started in it; nil when closed
}

// NewCgroup makes a cgroup of that name below the calling process's own. The
// owner calls Remove.
func NewCgroup(name string) (*Cgroup, error) {
	parent, err := OwnCgroup()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	c, err := openCgroup(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return c, nil
}

// JoinCgroup makes the cgroup at dir, unless it is there. It is another's to
// remove; the caller closes it.
func JoinCgroup(dir string) (*Cgroup, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	return openCgroup(dir)
}

func openCgroup(dir string) (*Cgroup, error) {
	handle, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open a cgroup: %w", err)
	}
	return &Cgroup{Dir: dir, handle: handle}, nil
}

// Close lets the cgroup go; what runs in it goes on. Nothing can be started in
// it any more.
func (c *Cgroup) Close() { c.handle.Close() }

// Remove closes the cgroup, kills whatever is in it and removes it, or says
// what stays. It may be called again.
func (c *Cgroup) Remove() error {
	c.Close()
	err := Poll(removeTimeout, func() error {
		err := os.WriteFile(filepath.Join(c.Dir, "cgroup.kill"), []byte("1"), 0) // Linux 5.14
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, removeFolders(c.Dir))
	})
	if err != nil {
		return fmt.Errorf("remove the cgroup: %w", err)
	}
	return nil
}

// removeFolders removes a tree of folders, innermost first, and leaves the
// files, which in a cgroup go with their folder.
func removeFolders(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := removeFolders(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
