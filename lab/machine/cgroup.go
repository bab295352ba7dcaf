package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cgroup is the control group that everything of one machine is in. It is the
// root of the machine's view of the cgroups.
type cgroup struct{ dir string }

// newCgroup makes a cgroup of that name below the calling process's own.
func newCgroup(name string) (*cgroup, error) {
	parent, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	c := &cgroup{filepath.Join(parent, name)}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	return c, nil
}

// remove kills whatever is in the cgroup and removes it, or says what stays.
func (c *cgroup) remove() error {
	err := poll(5*time.Second, func() error {
		err := os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0) // Linux 5.14
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, removeFolders(c.dir))
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
		time.Sleep(pollInterval)
	}
}

// pollInterval is the pause between two looks at a condition that tells nobody
// when it comes true.
const pollInterval = 5 * time.Millisecond

// ownCgroup finds the calling process's cgroup in the unified hierarchy, on a
// host that has only that one or the older ones too.
func ownCgroup() (string, error) {
	mounts, err1 := os.ReadFile("/proc/self/mountinfo")
	own, err2 := os.ReadFile("/proc/self/cgroup")
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	return locateCgroup(string(mounts), string(own))
}

// locateCgroup reads the two files, whose form proc(5) tells. A mount may show
// only a part of the hierarchy: its root field says which.
func locateCgroup(mountinfo, cgroups string) (string, error) {
	own, found := "", false
	for line := range strings.Lines(cgroups) {
		if path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::"); unified {
			own, found = path, true
		}
	}
	if !found {
		return "", errors.New("this process is in no cgroup of the unified hierarchy")
	}
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		rel, err := filepath.Rel(fields[3], own)
		if err == nil && filepath.IsLocal(rel) {
			return filepath.Join(fields[4], rel), nil
		}
	}
	return "", errors.New("no cgroup2 file system shows this process's cgroup")
}
