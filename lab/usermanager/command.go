package usermanager

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Command returns a program that runs beside the manager, as its account: the
// manager's view of the machine, HOME, USER, XDG_RUNTIME_DIR,
// DBUS_SESSION_BUS_ADDRESS and PATH, nothing else of the host's environment,
// and Home as the working folder. Cmd.Dir has no effect; Cmd.Env may be
// appended to. When ctx ends, the program's process group is killed.
func (m *Manager) Command(ctx context.Context, argv ...string) *exec.Cmd {
	drop := append(dropArgs(m.UID, m.GID), "env", "--chdir="+m.Home)
	return m.inside(ctx, append(drop, argv...))
}

// RootCommand is Command as root of the manager's namespaces. In a user
// namespace there is no other account: then it is Command.
func (m *Manager) RootCommand(ctx context.Context, argv ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		return m.Command(ctx, argv...)
	}
	return m.inside(ctx, append([]string{"env", "--chdir=/", "HOME=/root", "USER=root", "LOGNAME=root"}, argv...))
}

func (m *Manager) inside(ctx context.Context, argv []string) *exec.Cmd {
	args := []string{"--target", strconv.Itoa(m.space.init), "--mount", "--pid", "--cgroup"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--preserve-credentials")
	}
	args = append(append(args, "--"), argv...)
	cmd := exec.CommandContext(ctx, m.tools.nsenter, args...)
	cmd.Env = m.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:     true,
		UseCgroupFD: true,
		CgroupFD:    int(m.cgroup.handle.Fd()),
	}
	cmd.Cancel = func() error { return m.killInside(cmd.Process.Pid) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// killInside kills the process group that nsenter leads, but for nsenter, which
// ends with its child. Killed too, it would leave that child to be reaped by
// the host's process 1, and the PID namespace cannot end before that. It looks
// more than once: a process may have been forked while it looked.
func (m *Manager) killInside(nsenter int) error {
	found := false
	for range 20 {
		members, err := m.group(nsenter)
		if err != nil {
			return syscall.Kill(-nsenter, syscall.SIGKILL)
		}
		if len(members) == 0 {
			break
		}
		found = true
		for _, pid := range members {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
	if !found {
		return syscall.Kill(nsenter, syscall.SIGKILL)
	}
	return nil
}

// group lists the processes of a process group, without its leader.
func (m *Manager) group(leader int) ([]int, error) {
	procs, err := os.ReadFile(filepath.Join(m.cgroup.dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var members []int
	for _, field := range strings.Fields(string(procs)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid == leader {
			continue
		}
		if group, err := syscall.Getpgid(pid); err == nil && group == leader {
			members = append(members, pid)
		}
	}
	return members, nil
}
