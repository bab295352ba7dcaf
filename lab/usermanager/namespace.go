package usermanager

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"stackpolicy/lab/sandbox"
)

// setupScript is process 1 of the namespaces.
//
//go:embed setup.sh
var setupScript string

// namespace is the set of namespaces of one manager.
type namespace struct {
	*sandbox.Namespace
	alive *os.File // the write end of process 1's standard input
}

// enter makes the namespaces and starts the manager in them. It returns when all mounts
// are made.
func (m *Manager) enter(ctx context.Context) (*namespace, error) {
	input, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	space, err := sandbox.Enter(ctx, m.unshare(input), m.cgroup)
	if err != nil {
		alive.Close()
		return nil, err
	}
	return &namespace{space, alive}, nil
}

func (m *Manager) unshare(input *os.File) *exec.Cmd {
	args := append(sandbox.UnshareArgs(), m.tools.shell, "-c", setupScript, "setup")
	cmd := exec.Command(m.tools.unshare, append(args, m.managerArgs()...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, m.log, m.log
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin",
		"LAB_DIR=" + m.Dir,
		"LAB_ROOT=" + m.options.Root,
		"LAB_MAPPED=" + when(os.Geteuid() != 0, "yes"),
		"LAB_CGROUP=" + managerCgroup(m.UID),
		"LAB_LINGER=" + when(!m.options.NoLinger, m.Username),
		"LAB_NO_BUS=" + when(m.options.NoBus, "yes"),
	}
	return cmd
}

// managerArgs returns the command line that starts the manager as the account.
func (m *Manager) managerArgs() []string {
	args := append(dropArgs(m.UID, m.GID), "env", "-i")
	args = append(args, m.environment()...)
	args = append(args, "SYSTEMD_LOG_TARGET=journal")
	if len(m.options.UnitPath) > 0 {
		args = append(args, "SYSTEMD_UNIT_PATH="+strings.Join(m.options.UnitPath, ":"))
	}
	return append(args, m.tools.systemd, "--user")
}

// dropArgs returns the arguments of setpriv(1) that make a process in the namespaces the
// account for good. In a user namespace the process already is the account, and drops its
// capabilities.
func dropArgs(uid, gid int) []string {
	if os.Geteuid() != 0 {
		return []string{"setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"}
	}
	return []string{"setpriv", "--reuid", strconv.Itoa(uid), "--regid", strconv.Itoa(gid), "--clear-groups", "--"}
}

// stop kills everything in the namespaces.
func (n *namespace) stop() error {
	n.alive.Close()
	return n.Stop()
}

// manager returns the process id of the manager, the only child of process 1.
func (n *namespace) manager() (int, error) {
	init := strconv.Itoa(n.Init)
	children, err := os.ReadFile(filepath.Join("/proc", init, "task", init, "children"))
	if err != nil {
		return 0, fmt.Errorf("find the manager's process: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
	if first == "" {
		return 0, errors.New("the manager has ended")
	}
	return strconv.Atoi(first)
}

func when(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
