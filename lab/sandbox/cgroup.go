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

// Cgroup is a control group in which processes are started.
type Cgroup struct {
	Dir    string
	handle *os.File // new processes are started in it by this
}

// NewCgroup makes a cgroup with that name below the calling process's own. The caller
// owns it and calls Remove.
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

// JoinCgroup opens the cgroup at dir, and makes it if it does not exist. The caller calls
// Close, and not Remove: somebody else owns it.
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

// Close closes the cgroup. Processes in it continue, but no new ones can be started in
// it.
func (c *Cgroup) Close() { c.handle.Close() }

// Remove closes the cgroup, kills every process in it and removes it. It may be called
// again after an error.
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

// removeFolders removes a tree of folders, innermost first. The files of a cgroup cannot
// be removed: they disappear with their folder.
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
