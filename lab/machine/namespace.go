package machine

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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// setupScript is process 1 of the namespaces.
//
//go:embed setup.sh
var setupScript string

// namespaceArgs are unshare's arguments up to the program. The namespaces end
// with unshare, and unshare with the thread that started it.
var namespaceArgs = []string{
	"--mount", "--pid", "--cgroup", "--fork", "--kill-child=SIGKILL", "--propagation=private", "--",
}

// namespace is the set of namespaces that systemd-nspawn runs in. Its own,
// which are the machine's, are inside.
type namespace struct {
	cmd    *exec.Cmd
	nspawn int           // as the host sees it
	done   chan struct{} // closed when everything in them has ended
}

// enter makes the namespaces and boots the machine in them. It returns when
// nspawn begins.
func (m *Machine) enter(ctx context.Context) (*namespace, error) {
	ready, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	group, err := os.Open(m.cgroup.dir)
	if err != nil {
		report.Close()
		return nil, err
	}
	defer group.Close()
	n := &namespace{cmd: m.unshare(report, group), done: make(chan struct{})}
	err = n.run()
	report.Close()
	if err != nil {
		return nil, fmt.Errorf("make namespaces: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })()
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err == nil {
		n.nspawn, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up the namespaces: %w", err), n.stop())
	}
	return n, nil
}

func (m *Machine) unshare(report, group *os.File) *exec.Cmd {
	args := append(slices.Clone(namespaceArgs), "sh", "-c", setupScript, "setup")
	cmd := exec.Command("unshare", append(args, m.nspawnArgs()...)...)
	cmd.Stdout, cmd.Stderr = m.console, m.console
	cmd.ExtraFiles = []*os.File{report}
	cmd.WaitDelay = time.Second
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LAB_DIR=" + m.scratch.dir,
		"LAB_ROOT=" + m.root,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Setpgid:     true, // a terminal's interrupt is for the owner, who then stops it
		UseCgroupFD: true,
		CgroupFD:    int(group.Fd()),
	}
	return cmd
}

// nspawnArgs is the command line that boots. Without --register=no and
// --keep-unit it asks a running systemd-machined and systemd of the host.
func (m *Machine) nspawnArgs() []string {
	ns := m.scratch.path("ns")
	return []string{
		"systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
		"--directory=" + filepath.Join(ns, "root"),
		"--machine=lab", "--console=read-only",
		"--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--setenv=SYSTEMD_COLORS=0", "--setenv=TERM=dumb",
		"--bind=" + m.scratch.path("home") + ":" + Home,
		"--bind=" + filepath.Join(ns, "fuse") + ":/dev/fuse",
		"--bind=" + filepath.Join(ns, "tun") + ":/dev/net/tun",
	}
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
	if n.nspawn != 0 && !n.ended() {
		_ = syscall.Kill(n.nspawn, syscall.SIGKILL) // unshare is there to reap it
	} else {
		_ = n.cmd.Process.Kill()
	}
	select {
	case <-n.done:
		return nil
	case <-time.After(10 * time.Second):
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
