package sandbox

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

// newCgroup makes a cgroup for a test. It skips the test if this machine cannot have one.
func newCgroup(t *testing.T, name string) *Cgroup {
	t.Helper()
	if err := errors.Join(TryCgroup(), TryNamespaces("true")); err != nil {
		t.Skip("no sandbox can be made here: ", err)
	}
	c, err := NewCgroup(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := c.Remove(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// unshare returns a command for Enter that runs a shell script.
func unshare(script string) *exec.Cmd {
	return exec.Command("unshare", append(UnshareArgs(), "sh", "-c", script)...)
}

// reports is the first line of a script: it writes the process id that Enter waits for.
const reports = "read -r pid _ </proc/self/stat; echo $pid >&3; exec 3>&-\n"

func TestEnter(t *testing.T) {
	group := newCgroup(t, fmt.Sprintf("sandbox-enter-%d", os.Getpid()))
	marker := filepath.Join(t.TempDir(), "marker")
	n, err := Enter(t.Context(), unshare(reports+"echo $$ >"+marker+"; mount -t proc proc /proc; exec sleep 1000"), group)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	err = Poll(5*time.Second, func() error {
		own, err := os.ReadFile(marker)
		if err == nil && strings.TrimSpace(string(own)) != "1" {
			err = fmt.Errorf("the program is process %q of its namespace", own)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if procs, err := os.ReadFile(filepath.Join(group.Dir, "cgroup.procs")); err != nil || !strings.Contains(string(procs), fmt.Sprint(n.Init)) {
		t.Errorf("process %d is not in the cgroup: %q, %v", n.Init, procs, err)
	}
	for range 2 {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(fmt.Sprintf("/proc/%d", n.Init)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("process %d is still there: %v", n.Init, err)
	}
}

func TestNamespaceEndsItself(t *testing.T) {
	n, err := Enter(t.Context(), unshare(reports), newCgroup(t, fmt.Sprintf("sandbox-end-%d", os.Getpid())))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Done():
	case <-time.After(5 * time.Second):
		t.Error("its end is not reported")
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

func TestEnterFails(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx  context.Context
		cmd  *exec.Cmd
		want string
	}{
		"no program":          {t.Context(), exec.Command("/nonexistent"), "make namespaces: "},
		"ends without a word": {t.Context(), unshare("exit 1"), "set up the namespaces: EOF"},
		"reports no number":   {t.Context(), unshare("echo x >&3; exec sleep 1000"), "invalid syntax"},
		"the context ends":    {ended, unshare("exec sleep 1000"), "i/o timeout"},
		"a closed cgroup":     {t.Context(), unshare(reports), "make namespaces: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			group := newCgroup(t, fmt.Sprintf("sandbox-fail-%d", os.Getpid()))
			if strings.Contains(name, "closed") {
				group.Close()
			}
			n, err := Enter(test.ctx, test.cmd, group)
			if err == nil {
				n.Stop()
				t.Fatal("there are namespaces")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it", err, test.want)
			}
			if err := group.Remove(); err != nil {
				t.Error("what was started stays: ", err)
			}
		})
	}
}
