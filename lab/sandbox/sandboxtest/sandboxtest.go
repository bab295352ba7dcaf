// Package sandboxtest checks, for the tests of lab/sandbox and of packages that use
// it, that nothing of a sandbox stays: Traces after its end, KillOwner when its
// process is killed, EndsWithContext for the commands inside.
package sandboxtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/sandbox"
)

// childVariable makes a test binary an owner that is to be killed.
const childVariable = "STACKPOLICY_LAB_CHILD"

// BeOwner is for TestMain, before the tests run. In the process that KillOwner
// starts, it builds a sandbox, prints what build returns, and waits for its own
// end. Everywhere else it returns at once.
func BeOwner(build func() (line string, err error)) {
	if os.Getenv(childVariable) == "" {
		return
	}
	line, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(line)
	select {}
}

// KillOwner runs the test binary once more, up to BeOwner, calls look with the
// words of the line that it prints, kills it, and returns those words.
func KillOwner(t *testing.T, look func(words []string)) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	words := strings.Fields(firstLine(t, cmd))
	look(words)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return words
}

// firstLine starts a command and returns the first line that it prints.
func firstLine(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
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
	return line
}

// EndsWithContext checks that a command ends with its context, children and
// all. The cgroup is the folder of the one that such commands run in.
func EndsWithContext(t *testing.T, cgroup string, command func(ctx context.Context, argv ...string) *exec.Cmd) {
	t.Helper()
	before := Processes(t, cgroup)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := command(ctx, "sh", "-c", "echo ready; sleep 1000; true")
	firstLine(t, cmd)
	if during := Processes(t, cgroup); len(during) <= len(before) {
		t.Errorf("the command is not in %s", cgroup)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command ended well")
	}
	err := sandbox.Poll(5*time.Second, func() error {
		if after := Processes(t, cgroup); !slices.Equal(after, before) {
			return fmt.Errorf("the cgroup has processes %v, and had %v before", after, before)
		}
		return nil
	})
	if err != nil {
		t.Error("after the context ended: ", err)
	}
}

// Processes lists the processes of a cgroup, without those below it.
func Processes(t *testing.T, cgroup string) []string {
	t.Helper()
	procs, err := os.ReadFile(filepath.Join(cgroup, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(procs))
	slices.Sort(pids)
	return pids
}

// Traces lists what is still there of a sandbox: its folder, other paths, and
// mounts that name the folder.
func Traces(t *testing.T, dir string, others ...string) []string {
	t.Helper()
	var left []string
	for _, path := range append([]string{dir}, others...) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, path)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			left = append(left, "mount "+line)
		}
	}
	return left
}

// Output runs a command that has to end well, and returns what it printed,
// trimmed.
func Output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}
