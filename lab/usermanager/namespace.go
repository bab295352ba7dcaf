package usermanager

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// setupScript is process 1 of the namespaces.
//
//go:embed setup.sh
var setupScript string

// namespace is the set of namespaces of one manager.
type namespace struct {
	cmd   *exec.Cmd
	init  int           // their process 1, as the host sees it
	alive *os.File      // the write end of its standard input
	done  chan struct{} // closed when everything in them has ended
}

// namespaceArgs are unshare's arguments up to the program. The namespaces end
// with unshare, and unshare with the thread that started it.
func namespaceArgs() []string {
	args := []string{"--mount", "--pid", "--cgroup", "--fork", "--kill-child=SIGKILL", "--propagation=private"}
	if os.Geteuid() != 0 {
		args = append([]string{"--user", "--map-current-user", "--keep-caps"}, args...)
	}
	return append(args, "--")
}

// enter makes the namespaces and starts the manager in them. It returns when
// the view of the machine is complete.
func (m *Manager) enter(ctx context.Context) (*namespace, error) {
	ready, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	input, alive, err := os.Pipe()
	if err != nil {
		report.Close()
		return nil, err
	}
	n := &namespace{cmd: m.unshare(input, report), alive: alive, done: make(chan struct{})}
	err = n.run()
	report.Close()
	input.Close()
	if err != nil {
		alive.Close()
		return nil, fmt.Errorf("make namespaces: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })()
	if n.init, err = readPID(ready); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the namespaces: %w", err), n.stop())
	}
	return n, nil
}

func (m *Manager) unshare(input, report *os.File) *exec.Cmd {
	args := append(namespaceArgs(), m.tools.shell, "-c", setupScript, "setup")
	cmd := exec.Command(m.tools.unshare, append(args, m.managerArgs()...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, m.log, m.log
	cmd.ExtraFiles = []*os.File{report}
	cmd.WaitDelay = time.Second
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin",
		"LAB_DIR=" + m.Dir,
		"LAB_ROOT=" + m.options.Root,
		"LAB_MAPPED=" + when(os.Geteuid() != 0, "yes"),
		"LAB_CGROUP=" + managerCgroup(m.UID),
		"LAB_LINGER=" + when(!m.options.NoLinger, m.Username),
		"LAB_NO_BUS=" + when(m.options.NoBus, "yes"),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Setpgid:     true, // a terminal's interrupt is for the owner, who then stops it
		UseCgroupFD: true,
		CgroupFD:    int(m.cgroup.handle.Fd()),
	}
	return cmd
}

// managerArgs is the manager's command line, as the account.
func (m *Manager) managerArgs() []string {
	args := append(dropArgs(m.UID, m.GID), "env", "-i")
	args = append(args, m.environment()...)
	args = append(args, "SYSTEMD_LOG_TARGET=journal")
	if len(m.options.UnitPath) > 0 {
		args = append(args, "SYSTEMD_UNIT_PATH="+strings.Join(m.options.UnitPath, ":"))
	}
	return append(args, m.tools.systemd, "--user")
}

// dropArgs become the account for good, from inside the namespaces. In a user
// namespace the account is there already, with capabilities to lose.
func dropArgs(uid, gid int) []string {
	if os.Geteuid() != 0 {
		return []string{"setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"}
	}
	return []string{"setpriv", "--reuid", strconv.Itoa(uid), "--regid", strconv.Itoa(gid), "--clear-groups", "--"}
}

// run starts unshare and waits for its end in the background. The thread that
// starts it must live as long, because its end is what the kernel takes for
// the parent's (PR_SET_PDEATHSIG(2const)).
func (n *namespace) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := n.cmd.Start()
		started <- err
		if err == nil {
			_ = n.cmd.Wait()
		}
		close(n.done)
	}()
	return <-started
}

// stop kills the namespaces' process 1, and with it everything inside.
func (n *namespace) stop() error {
	n.alive.Close()
	if n.init != 0 && !n.ended() {
		_ = syscall.Kill(n.init, syscall.SIGKILL) // unshare is there to reap it
	} else {
		_ = n.cmd.Process.Kill()
	}
	select {
	case <-n.done:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("process %d does not end", n.cmd.Process.Pid)
	}
}

// ended says whether the namespaces are gone.
func (n *namespace) ended() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// manager returns the process id of the manager, the one child of process 1.
func (n *namespace) manager() (int, error) {
	init := strconv.Itoa(n.init)
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

func readPID(from *os.File) (int, error) {
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

func when(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
