package machine

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// processesIn lists the processes of a cgroup and those below it.
func processesIn(cgroup string) []string {
	var pids []string
	_ = filepath.WalkDir(cgroup, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			procs, _ := os.ReadFile(path)
			pids = append(pids, strings.Fields(string(procs))...)
		}
		return nil
	})
	return pids
}

// traces lists what is still there of a machine.
func traces(t *testing.T, dir, cgroup string, pids []string) []string {
	t.Helper()
	var left []string
	for _, path := range []string{dir, cgroup} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, path)
		}
	}
	for _, pid := range pids {
		// Whoever inherited it may not have reaped it yet.
		command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && len(command) > 0 {
			left = append(left, "process "+pid+": "+string(command))
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

// output runs a command that has to end well.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

func (m *Machine) run(t *testing.T, argv ...string) string {
	t.Helper()
	return output(t, m.Command(t.Context(), argv...))
}

func (m *Machine) unit(t *testing.T, argv ...string) string {
	t.Helper()
	return m.run(t, append([]string{"systemd-run", "--user", "--wait", "--pipe", "--quiet"}, argv...)...)
}
