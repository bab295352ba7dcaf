// Package sandboxtest has helpers for the tests of lab/sandbox and of the packages that
// use it. They check that nothing is left of a sandbox: Traces after it was removed,
// KillOwner after its process was killed, EndsWithContext for the commands inside.
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

// childVariable is set in the process that KillOwner starts.
const childVariable = "STACKPOLICY_LAB_CHILD"

// BeOwner is called by TestMain before the tests run. In the process that KillOwner
// starts, it calls build to make a sandbox, prints what build returns, and waits to be
// killed. In any other process it returns at once.
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

// KillOwner starts the test binary again, so that it runs BeOwner. It calls check with the
// words that BeOwner prints, kills the process, and returns the words.
func KillOwner(t *testing.T, check func(words []string)) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	words := strings.Fields(firstLine(t, cmd))
	check(words)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return words
}

// firstLine starts a command and returns the first line of its output.
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

// EndsWithContext checks that a command and its children end when its context ends.
// cgroup is the folder of the cgroup in which such commands run.
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

// Processes lists the processes of a cgroup, without those of the cgroups below it.
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

// Traces lists what is left of a sandbox: its folder, the given paths, and mounts that
// name the folder.
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

// Output runs a command that must succeed, and returns its output without the white
// space around it.
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
