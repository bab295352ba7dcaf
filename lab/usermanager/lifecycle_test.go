package usermanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childVariable makes the test binary start a manager and wait to be killed.
const childVariable = "STACKPOLICY_LAB_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		beKilled()
	}
	os.Exit(m.Run())
}

// beKilled starts a manager, tells where it is, and waits for its own end.
func beKilled() {
	manager, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(manager.Dir, manager.PID, manager.space.init, manager.cgroup.dir)
	select {}
}

func TestCommandEndsWithContext(t *testing.T) {
	m := start(t, Options{NoBus: true})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := m.Command(ctx, "sh", "-c", "echo ready; sleep 1000; true")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command ended well")
	}
	err = poll(2*time.Second, func() error {
		left, err := os.ReadFile(filepath.Join(m.cgroup.dir, "cgroup.procs"))
		if err == nil && len(strings.Fields(string(left))) > 2 { // unshare and process 1
			err = fmt.Errorf("processes %q", left)
		}
		return err
	})
	if err != nil {
		t.Error("after the context ended: ", err)
	}
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

// shortTempDir is t.TempDir with a path short enough for sockets, that any
// account may enter.
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

// TestOwnerIsKilled kills a process that has a manager: its processes end with
// it, and the next start removes its cgroup and folder.
func TestOwnerIsKilled(t *testing.T) {
	if err := Available(Options{}); err != nil {
		t.Skip(err)
	}
	t.Setenv("TMPDIR", shortTempDir(t))
	dir, pids, cgroup := killOwner(t)
	err := poll(3*time.Second, func() error {
		for _, pid := range pids {
			// Whoever inherited it may not have reaped it yet.
			if command, err := os.ReadFile(procPath(pid) + "/cmdline"); err == nil && len(command) > 0 {
				return fmt.Errorf("process %d is still there", pid)
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

// killOwner runs beKilled and kills it.
func killOwner(t *testing.T) (dir string, pids []int, cgroup string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids = make([]int, 2)
	_, err = fmt.Fscan(out, &dir, &pids[0], &pids[1], &cgroup)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return dir, pids, cgroup
}
