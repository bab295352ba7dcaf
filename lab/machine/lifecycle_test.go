package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/sandbox"
	"stackpolicy/lab/sandbox/sandboxtest"
)

// leakVariable is in the host's environment and must not appear in a machine.
const leakVariable = "STACKPOLICY_LAB_LEAK"

func TestMain(m *testing.M) {
	sandboxtest.BeOwner(func() (string, error) {
		m, err := Boot(context.Background(), Options{})
		if err != nil {
			return "", err
		}
		return fmt.Sprintln(m.scratch.Dir, m.cgroup.Dir), nil
	})
	if err := os.Setenv(leakVariable, "yes"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// scratchDir returns a folder for this test's machines, so that the test sees only what
// is left of its own.
func scratchDir(t *testing.T) string {
	t.Helper()
	if err := Available(Options{}); err != nil {
		t.Skip("no machine can be booted here: ", err)
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

// TestOwnerIsKilled kills a process that has booted a machine. The machine's processes
// end, and the next boot removes its cgroup and folder.
func TestOwnerIsKilled(t *testing.T) {
	scratchDir(t)
	dir, cgroup := killOwner(t)
	err := sandbox.Poll(5*time.Second, func() error {
		if pids := processesIn(cgroup); len(pids) > 0 {
			return fmt.Errorf("processes %v are still there", pids)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	boot(t, debian.Trixie)
	for _, left := range traces(t, dir, cgroup, nil) {
		t.Errorf("the next boot left %s", left)
	}
}

// killOwner kills a process that has booted a machine.
func killOwner(t *testing.T) (dir, cgroup string) {
	t.Helper()
	words := sandboxtest.KillOwner(t, func(words []string) {
		if len(words) != 2 {
			t.Fatalf("the owner says %q", words)
		}
		if len(processesIn(words[1])) == 0 {
			t.Error("no process is in the machine's cgroup")
		}
	})
	return words[0], words[1]
}

// TestFailedBootLeavesNothing cancels a boot at several moments.
func TestFailedBootLeavesNothing(t *testing.T) {
	dir := scratchDir(t)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 30 * time.Millisecond, 150 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		m, err := Boot(ctx, Options{})
		cancel()
		if err == nil {
			checkStop(t, m)
			t.Fatalf("a machine is up after %v", after)
		}
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	parent, err := sandbox.OwnCgroup()
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range traces(t, dir, filepath.Join(parent, "none"), nil) {
		if left != dir {
			t.Errorf("left behind: %s", left)
		}
	}
}

// TestMachineEndsItself powers a machine off from inside: commands fail, and
// Stop removes the rest.
func TestMachineEndsItself(t *testing.T) {
	dir := scratchDir(t)
	m, err := Boot(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = m.RootCommand(t.Context(), "systemctl", "poweroff", "--force", "--force").Run()
	select {
	case <-m.space.Done():
	case <-time.After(10 * time.Second):
		t.Error("the machine does not end")
	}
	if err := m.Command(t.Context(), "true").Run(); err == nil {
		t.Error("a command runs in a machine that is off")
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if err := m.Command(t.Context(), "true").Run(); err == nil {
		t.Error("a command runs in a machine that is no more")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCommandEndsWithContext(t *testing.T) {
	m := boot(t, debian.Trixie)
	sandboxtest.EndsWithContext(t, m.currentEntry().commands.Dir, m.Command)
}

// TestTwoAtOnce boots two machines of one suite: neither sees the other.
func TestTwoAtOnce(t *testing.T) {
	if err := Available(Options{}); err != nil {
		t.Skip("no machine can be booted here: ", err)
	}
	machines := make([]*Machine, 2)
	var group sync.WaitGroup
	for i := range machines {
		group.Go(func() {
			var err error
			if machines[i], err = Boot(t.Context(), Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, m := range machines {
		if m == nil {
			t.FailNow() // the process's end ends the other
		}
		t.Cleanup(func() { checkStop(t, m) })
	}
	for i, m := range machines {
		if err := m.Write("/etc/which", strconv.Itoa(i)); err != nil {
			t.Error(err)
		}
		if _, err := m.Registry(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for i, m := range machines {
		if got := m.run(t, "cat", "/etc/which"); got != strconv.Itoa(i) {
			t.Errorf("machine %d says it is %s", i, got)
		}
	}
}

func TestEnterRefuses(t *testing.T) {
	for name, leader := range map[string]string{"nothing": "", "no number": "x", "the host's own process 1": "1"} {
		t.Run(name, func(t *testing.T) {
			environ := map[string]string{leaderVariable: leader, cgroupVariable: t.TempDir()}
			if e, err := Enter(func(key string) string { return environ[key] }); err == nil {
				e.Close()
				t.Error("it is accepted")
			}
		})
	}
}
