package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OwnCgroup returns the folder of the calling process's cgroup in the unified hierarchy.
// The host may have the older hierarchies too.
func OwnCgroup() (string, error) {
	mounts, err1 := os.ReadFile("/proc/self/mountinfo")
	own, err2 := os.ReadFile("/proc/self/cgroup")
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	return locateCgroup(string(mounts), string(own))
}

// locateCgroup finds the folder from the text of two files that proc(5) describes. A
// mount may show only a part of the hierarchy: its root field says which part.
func locateCgroup(mountinfo, cgroups string) (string, error) {
	own, found := unifiedPath(cgroups)
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

func unifiedPath(cgroups string) (path string, found bool) {
	for line := range strings.Lines(cgroups) {
		if path, found = strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			return path, true
		}
	}
	return "", false
}
