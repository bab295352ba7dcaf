package usermanager

import (
	"context"
	"os"
	"os/exec"
	"strconv"
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
	args := []string{"--target", strconv.Itoa(m.space.Init), "--mount", "--pid", "--cgroup"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--preserve-credentials")
	}
	args = append(append(args, "--"), argv...)
	cmd := exec.CommandContext(ctx, m.tools.nsenter, args...)
	cmd.Env = m.environment()
	m.cgroup.Adopt(cmd)
	return cmd
}
