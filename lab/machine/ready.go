package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"stackpolicy/lab/sandbox"
)

// pollInterval is the pause between two checks whether the boot is complete.
const pollInterval = 20 * time.Millisecond

// waitReady waits until the user manager is up, and returns an Entry.
func waitReady(ctx context.Context, space *sandbox.Namespace, cgroup string) (entry *Entry, err error) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if entry == nil {
			entry, err = findEntry(space.Init, cgroup)
		}
		if entry != nil {
			if err = entry.checkUp(ctx); err == nil {
				return entry, nil
			}
		}
		select {
		case <-space.Done():
			err = errors.Join(errors.New("the machine ended before it was up"), err)
		case <-ctx.Done():
			err = fmt.Errorf("the user manager is not up (%w): %w", err, ctx.Err())
		case <-ticker.C:
			continue
		}
		if entry != nil {
			entry.Close()
		}
		return nil, err
	}
}

// findEntry finds the machine's process 1: the child of nspawn that has process id 1 in
// its own PID namespace.
func findEntry(nspawn int, cgroup string) (*Entry, error) {
	pid := strconv.Itoa(nspawn)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		return nil, err
	}
	for _, child := range strings.Fields(string(children)) {
		status, err := os.ReadFile(filepath.Join("/proc", child, "status"))
		if err != nil || !isFirst(string(status)) {
			continue
		}
		leader, err := strconv.Atoi(child)
		if err != nil {
			return nil, err
		}
		return newEntry(leader, cgroup)
	}
	return nil, errors.New("no process 1 yet")
}

// isFirst reports whether a process is process 1 of its own PID namespace: the last field
// of NSpid says so (proc_pid_status(5)).
func isFirst(status string) bool {
	for line := range strings.Lines(status) {
		if ids, found := strings.CutPrefix(line, "NSpid:"); found {
			fields := strings.Fields(ids)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}

// checkUp returns nil if the user manager has started all units of its default target.
func (e *Entry) checkUp(ctx context.Context) error {
	if _, err := os.Stat(e.Path(runtimeDir + "/systemd/private")); err != nil {
		return errors.New("the user manager has not started")
	}
	out, err := e.Command(ctx, "systemctl", "--user", "show", "--property=SystemState", "--value").CombinedOutput()
	state := strings.TrimSpace(string(out))
	if err != nil {
		return fmt.Errorf("ask the user manager for its state: %w: %s", err, state)
	}
	if state != "running" && state != "degraded" {
		return fmt.Errorf("the user manager's state is %s, want running or degraded", state)
	}
	return nil
}
