package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stackpolicy/lab/debian"
)

// childVariable makes the test binary boot a machine and wait to be killed.
const childVariable = "STACKPOLICY_LAB_CHILD"

// leakVariable is in the host's environment, and may not be in a machine's.
const leakVariable = "STACKPOLICY_LAB_LEAK"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		beKilled()
	}
	if err := os.Setenv(leakVariable, "yes"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beKilled boots a machine, tells where it is, and waits for its own end.
func beKilled() {
	m, err := Boot(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(m.scratch.dir, m.cgroup.dir)
	select {}
}

// scratchDir is where this test's machines are, so that what is left of them
// can be told from what is others'.
func scratchDir(t *testing.T) string {
	t.Helper()
	if err := Available(Options{}); err != nil {
		t.Skip("no machine can be booted here: ", err)
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

// TestOwnerIsKilled kills a process that has a machine: its processes end with
// it, and the next boot removes its cgroup and folder.
func TestOwnerIsKilled(t *testing.T) {
	scratchDir(t)
	dir, cgroup := killOwner(t)
	err := poll(5*time.Second, func() error {
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

// killOwner runs beKilled and kills it.
func killOwner(t *testing.T) (dir, cgroup string) {
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir, cgroup, _ = strings.Cut(strings.TrimSpace(line), " ")
	if len(processesIn(cgroup)) == 0 {
		t.Error("no process is in the machine's cgroup")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return dir, cgroup
}

// TestFailedBootLeavesNothing ends the wait at several moments of a boot.
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
	parent, err := ownCgroup()
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
	case <-m.space.done:
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
	err = poll(5*time.Second, func() error {
		if left := processesIn(m.now().commands()); len(left) > 0 {
			return fmt.Errorf("processes %v are still there", left)
		}
		return nil
	})
	if err != nil {
		t.Error("after the context ended: ", err)
	}
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
