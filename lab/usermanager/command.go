package usermanager

import (
	"context"
	"os"
	"os/exec"
	"strconv"
)

// Command returns a program that runs in the manager's namespaces, as its account. Its
// environment is HOME, USER, XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS and PATH, without
// anything of the host's environment, and its working folder is Home. Cmd.Dir has no
// effect; the caller may append to Cmd.Env. When ctx ends, the program's process group is
// killed.
func (m *Manager) Command(ctx context.Context, argv ...string) *exec.Cmd {
	drop := append(dropArgs(m.UID, m.GID), "env", "--chdir="+m.Home)
	return m.inside(ctx, append(drop, argv...))
}

// RootCommand is like Command, as root. In a user namespace there is no other account, so
// there it is the same as Command.
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
