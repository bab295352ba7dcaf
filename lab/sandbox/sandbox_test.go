package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"stackpolicy/lab/sandbox"
	"stackpolicy/lab/sandbox/sandboxtest"
)

const prefix = "sandbox-whole-"

func TestMain(m *testing.M) {
	sandboxtest.BeOwner(func() (string, error) {
		s, c, n, err := build(os.TempDir())
		if err != nil {
			return "", err
		}
		return fmt.Sprintln(s.Dir, c.Dir, n.Init), nil
	})
	os.Exit(m.Run())
}

// build makes a whole sandbox, in the order in which the other packages do.
func build(parent string) (*sandbox.Scratch, *sandbox.Cgroup, *sandbox.Namespace, error) {
	s, err := sandbox.NewScratch(parent, prefix)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := sandbox.NewCgroup(filepath.Base(s.Dir))
	if err != nil {
		return nil, nil, nil, errors.Join(err, s.Remove())
	}
	if err := s.Record(c); err != nil {
		return nil, nil, nil, errors.Join(err, c.Remove(), s.Remove())
	}
	script := "read -r pid _ </proc/self/stat; mount -t tmpfs tmpfs " + s.Dir + "; echo $pid >&3; exec sleep 1000 3>&-"
	unshare := exec.Command("unshare", append(sandbox.UnshareArgs(), "sh", "-c", script)...)
	n, err := sandbox.Enter(context.Background(), unshare, c)
	if err != nil {
		return nil, nil, nil, errors.Join(err, c.Remove(), s.Remove())
	}
	return s, c, n, nil
}

// available skips the test, with the reason, if a sandbox cannot be made here.
func available(t *testing.T) {
	t.Helper()
	if err := errors.Join(sandbox.TryCgroup(), sandbox.TryNamespaces("true")); err != nil {
		t.Skip("no sandbox can be made here: ", err)
	}
}

func TestCommandEndsWithContext(t *testing.T) {
	available(t)
	s, c, n, err := build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(n.Stop(), c.Remove(), s.Remove()); err != nil {
			t.Error(err)
		}
		for _, left := range sandboxtest.Traces(t, s.Dir, c.Dir) {
			t.Errorf("left behind: %s", left)
		}
	}()
	sandboxtest.EndsWithContext(t, c.Dir, func(ctx context.Context, argv ...string) *exec.Cmd {
		args := []string{"--target", strconv.Itoa(n.Init), "--mount", "--pid", "--cgroup"}
		if os.Geteuid() != 0 {
			args = append(args, "--user", "--preserve-credentials")
		}
		cmd := exec.CommandContext(ctx, "nsenter", append(append(args, "--"), argv...)...)
		c.Adopt(cmd)
		return cmd
	})
}

// TestOwnerIsKilled kills a process that has a sandbox. The processes in the sandbox end,
// and a sweep removes its cgroup and folder.
func TestOwnerIsKilled(t *testing.T) {
	available(t)
	t.Setenv("TMPDIR", t.TempDir())
	words := sandboxtest.KillOwner(t, func(words []string) {
		if len(words) != 3 {
			t.Fatalf("the owner says %q", words)
		}
		if len(sandboxtest.Processes(t, words[1])) == 0 {
			t.Error("no process is in the cgroup")
		}
	})
	err := sandbox.Poll(5*time.Second, func() error {
		if left := sandboxtest.Processes(t, words[1]); len(left) > 0 {
			return fmt.Errorf("processes %v are still there", left)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sandbox.Sweep(os.TempDir(), prefix)
	for _, left := range sandboxtest.Traces(t, words[0], words[1]) {
		t.Errorf("the sweep left %s", left)
	}
}
