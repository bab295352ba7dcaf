package usermanager

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cgroup is the control group of one manager and of the commands beside it. It
// is the root of the manager's cgroup namespace; the manager itself has the
// place below it that a real one has, and owns only that.
type cgroup struct {
	dir    string
	handle *os.File // for processes to be started in it
}

// newCgroup makes a cgroup of that name below the calling process's own.
func newCgroup(name string, uid, gid int) (*cgroup, error) {
	parent, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	c := &cgroup{dir: filepath.Join(parent, name)}
	if err := c.make(uid, gid); err != nil {
		return nil, errors.Join(fmt.Errorf("make a cgroup: %w", err), c.remove())
	}
	return c, nil
}

// managerCgroup is where a real user manager is, which is how programs
// recognise the account's own services (sd_pid_get_user_unit(3)).
func managerCgroup(uid int) string {
	return fmt.Sprintf("user.slice/user-%d.slice/user@%d.service", uid, uid)
}

func (c *cgroup) make(uid, gid int) (err error) {
	manager := filepath.Join(c.dir, managerCgroup(uid))
	if err := os.MkdirAll(manager, 0o755); err != nil {
		return err
	}
	for _, file := range []string{".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(manager, file), uid, gid); err != nil {
			return err
		}
	}
	c.handle, err = os.Open(c.dir)
	return err
}

// remove kills whatever is in the cgroup and removes it, or says what stays.
func (c *cgroup) remove() error {
	if c.handle != nil {
		c.handle.Close()
		c.handle = nil
	}
	err := poll(3*time.Second, func() error {
		// Linux 5.14; the PID namespace has ended everything already.
		_ = os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0)
		return removeFolders(c.dir)
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

// poll calls try until it succeeds, and returns its last error after timeout.
func poll(timeout time.Duration, try func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// ownCgroup finds the calling process's cgroup in the unified hierarchy, on a
// host that has only that one or the older ones too.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	return locateCgroup(string(mounts), string(own))
}

// locateCgroup reads the two files of proc(5). A mount may show only a part of
// the hierarchy: its root field says which.
func locateCgroup(mountinfo, ownCgroup string) (string, error) {
	own, found := unifiedPath(ownCgroup)
	if !found {
		return "", errors.New("this process is in no cgroup of the unified hierarchy")
	}
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		rel, err := filepath.Rel(fields[3], own)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			continue
		}
		return filepath.Join(fields[4], rel), nil
	}
	return "", errors.New("no cgroup2 file system shows this process's cgroup")
}

func unifiedPath(ownCgroup string) (string, bool) {
	for line := range strings.Lines(ownCgroup) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, true
		}
	}
	return "", false
}
