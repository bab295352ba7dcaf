package machine

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/sandbox/sandboxtest"
)

// processesIn lists the processes of a cgroup and of the cgroups below it.
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

// traces lists what is left of a machine.
func traces(t *testing.T, dir, cgroup string, pids []string) []string {
	t.Helper()
	left := sandboxtest.Traces(t, dir, cgroup)
	for _, pid := range pids {
		// Its new parent may not have reaped it yet.
		command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && len(command) > 0 {
			left = append(left, "process "+pid+": "+string(command))
		}
	}
	return left
}

func (m *Machine) run(t *testing.T, argv ...string) string {
	t.Helper()
	return sandboxtest.Output(t, m.Command(t.Context(), argv...))
}

func (m *Machine) unit(t *testing.T, argv ...string) string {
	t.Helper()
	return m.run(t, append([]string{"systemd-run", "--user", "--wait", "--pipe", "--quiet"}, argv...)...)
}
