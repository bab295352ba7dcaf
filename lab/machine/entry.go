package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"stackpolicy/lab/sandbox"
)

// The variables that another process of the host needs to enter the machine.
const (
	leaderVariable = "MACHINE_LEADER" // the machine's process 1, as the host sees it
	cgroupVariable = "MACHINE_CGROUP" // the folder of its cgroup
)

const runtimeDir = "/run/user/1000"

// Entry runs commands and accesses files in a running machine. A Machine has one. Another
// process of the host, such as the helper of a script, gets one with Enter. An Entry is
// invalid when the machine ends or reboots. With the zero value every command and every
// path is an error.
type Entry struct {
	leader   int
	cgroup   string
	commands *sandbox.Cgroup // commands run in it; nil when the machine is off
}

// Enter returns an Entry for the machine whose Machine.Environ is in the environment. It
// is for processes other than the one that booted the machine. The caller closes it.
func Enter(getenv func(string) string) (*Entry, error) {
	leader, err := strconv.Atoi(getenv(leaderVariable))
	if err != nil || leader <= 1 {
		return nil, fmt.Errorf("enter a machine: %s=%q names no process", leaderVariable, getenv(leaderVariable))
	}
	return newEntry(leader, getenv(cgroupVariable))
}

// newEntry makes the cgroup for commands. It is outside the cgroups that the machine's
// systemd manages: commands end with the machine and belong to no unit.
func newEntry(leader int, cgroup string) (*Entry, error) {
	commands, err := sandbox.JoinCgroup(filepath.Join(cgroup, "commands"))
	if err != nil {
		return nil, fmt.Errorf("enter a machine: %w", err)
	}
	return &Entry{leader: leader, cgroup: cgroup, commands: commands}, nil
}

// Close closes the entry. Commands that are running continue.
func (e *Entry) Close() {
	if e.commands != nil {
		e.commands.Close()
	}
}

// Environ returns the variables that Enter reads.
func (e *Entry) Environ() []string {
	return []string{leaderVariable + "=" + strconv.Itoa(e.leader), cgroupVariable + "=" + e.cgroup}
}

// Command returns a program that runs in the machine as its user. Its environment is
// HOME, USER, LOGNAME, SHELL, LANG, TERM, PATH, XDG_RUNTIME_DIR and
// DBUS_SESSION_BUS_ADDRESS, and its working folder is Home. Cmd.Dir and Cmd.Env have no
// effect: use env(1) and sh -c. When ctx ends, the program's process group is killed.
//
// It differs from a login in two ways: systemd-logind has no session for it, and nspawn's
// system call filter does not apply. To test something that must work in a unit, run it
// in a unit: systemd-run --user --wait --pipe.
func (e *Entry) Command(ctx context.Context, argv ...string) *exec.Cmd {
	drop := []string{
		"setpriv", "--reuid", strconv.Itoa(UID), "--regid", strconv.Itoa(GID), "--init-groups", "--",
		"env", "-i", "--chdir=" + Home,
		"HOME=" + Home, "USER=" + User, "LOGNAME=" + User,
		"XDG_RUNTIME_DIR=" + runtimeDir, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + runtimeDir + "/bus",
	}
	return e.inside(ctx, append(append(drop, commonEnv()...), argv...))
}

// RootCommand is Command as root, in /.
func (e *Entry) RootCommand(ctx context.Context, argv ...string) *exec.Cmd {
	root := []string{"env", "-i", "--chdir=/", "HOME=/root", "USER=root", "LOGNAME=root"}
	return e.inside(ctx, append(append(root, commonEnv()...), argv...))
}

func commonEnv() []string {
	return []string{
		"SHELL=/bin/bash", "LANG=C.UTF-8",
		"TERM=" + os.Getenv("TERM"),
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
}

func (e *Entry) inside(ctx context.Context, argv []string) *exec.Cmd {
	args := []string{
		"--target", strconv.Itoa(e.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	if e.commands == nil {
		cmd.Err = errors.New("the machine is off")
		return cmd
	}
	e.commands.Adopt(cmd)
	return cmd
}
