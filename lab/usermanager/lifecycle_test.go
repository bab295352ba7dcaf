package usermanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/sandbox"
	"stackpolicy/lab/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	sandboxtest.BeOwner(func() (string, error) {
		manager, err := Start(context.Background(), Options{})
		if err != nil {
			return "", err
		}
		return fmt.Sprintln(manager.Dir, manager.cgroup.Dir, manager.PID, manager.space.Init), nil
	})
	os.Exit(m.Run())
}

func TestCommandEndsWithContext(t *testing.T) {
	m := start(t, Options{NoBus: true})
	sandboxtest.EndsWithContext(t, m.cgroup.Dir, m.Command)
}

func TestFailedStartLeavesNothing(t *testing.T) {
	if err := Available(Options{}); err != nil {
		t.Skip(err)
	}
	t.Setenv("TMPDIR", shortTempDir(t))
	m, err := Start(t.Context(), Options{UnitPath: []string{"/nonexistent"}})
	if err == nil {
		m.Stop()
		t.Fatal("a manager without default.target is up")
	}
	if !strings.Contains(err.Error(), "the manager's log:") {
		t.Errorf("the error lacks the manager's own words: %v", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// shortTempDir is like t.TempDir. Its path is short enough for sockets, and every account
// can enter it.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "um")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestOwnerIsKilled kills a process that has started a manager. The manager's processes
// end, and the next start removes its cgroup and folder.
func TestOwnerIsKilled(t *testing.T) {
	if err := Available(Options{}); err != nil {
		t.Skip(err)
	}
	t.Setenv("TMPDIR", shortTempDir(t))
	words := sandboxtest.KillOwner(t, func(words []string) {
		if len(words) != 4 {
			t.Fatalf("the owner says %q", words)
		}
	})
	dir, cgroup, pids := words[0], words[1], words[2:]
	err := sandbox.Poll(3*time.Second, func() error {
		for _, pid := range pids {
			// Its new parent may not have reaped it yet.
			if command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && len(command) > 0 {
				return fmt.Errorf("process %s is still there", pid)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if left := processesNaming(dir); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	start(t, Options{NoBus: true})
	for _, path := range []string{dir, cgroup} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the next start left %s: %v", path, err)
		}
	}
}
