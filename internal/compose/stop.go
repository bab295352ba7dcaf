package compose

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// stop ends a provider's process group and says how. The provider gets SIGTERM
// first, so that it begins nothing more, and a podman that it started may finish.
// A podman run that gets SIGTERM can leave a container that no start can start
// again (Initialized; 4.3 and 5.4), and 4.3 can leave the whole account without
// container networks ("failed to mount runtime directory for rootless netns"):
// both measured. After half of the grace all get SIGTERM, after all of it SIGKILL.
func stop(group int, grace time.Duration, cause error) error {
	for _, pid := range signalledFirst(group) {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	if emptied(group, grace/2) {
		return fmt.Errorf("stopped by SIGTERM: %w", cause)
	}
	signalGroup(group, syscall.SIGTERM)
	if emptied(group, grace-grace/2) {
		return fmt.Errorf("stopped by SIGTERM: %w", cause)
	}
	signalGroup(group, syscall.SIGKILL)
	return fmt.Errorf("killed by SIGKILL, %v after SIGTERM: %w", grace, cause)
}

// process is a member of the group.
type process struct {
	pid, parent int
	name        string
}

// signalledFirst are the provider and what it runs, but for a podman at work and what
// that runs: the group's first process, which may be `podman compose`, and its
// descendants of another name.
func signalledFirst(group int) []int {
	members := members(group)
	var pids []int
	for level := []int{group}; len(level) > 0; {
		pids = append(pids, level...)
		var next []int
		for _, m := range members {
			if m.name != "podman" && slices.Contains(level, m.parent) {
				next = append(next, m.pid)
			}
		}
		level = next
	}
	return slices.DeleteFunc(pids, func(pid int) bool { // its number may be another's by now
		return !slices.ContainsFunc(members, func(m process) bool { return m.pid == pid })
	})
}

func members(group int) []process {
	var found []process
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if p, of := readStat(path); of == group {
			found = append(found, p)
		}
	}
	return found
}

// readStat reads a process and its group from proc_pid_stat(5): PID (NAME)
// STATE PPID PGRP …, where NAME may hold anything. One that has ended does not count,
// also while nobody has waited for it.
func readStat(path string) (p process, group int) {
	text, err := os.ReadFile(path)
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if err != nil || begin < 0 || end < begin {
		return process{}, 0
	}
	p.name = string(text[begin+1 : end])
	p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 3 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return process{}, 0
	}
	p.parent, _ = strconv.Atoi(string(fields[1]))
	group, _ = strconv.Atoi(string(fields[2]))
	return p, group
}

// emptied waits until nothing runs in a process group any more. It outlives its
// first process while any other does.
func emptied(group int, within time.Duration) bool {
	const pause = 20 * time.Millisecond
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(pause) {
		if len(members(group)) == 0 {
			return true
		}
	}
	return false
}

func signalGroup(group int, signal syscall.Signal) error {
	err := syscall.Kill(-group, signal)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
