package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTimeout bounds the wait for the end of what was killed.
const stopTimeout = 10 * time.Second

// Namespace is a set of mount, PID and cgroup namespaces. It ends with the
// process that made it.
type Namespace struct {
	// Init is their process 1, as the host sees it.
	Init int

	cmd  *exec.Cmd
	done chan struct{}
}

// UnshareArgs are unshare(1)'s arguments up to the program. The namespaces end
// with unshare, and unshare with the thread that started it. An ordinary user
// gets a user namespace too, with its own account as the only one.
func UnshareArgs() []string {
	args := []string{"--mount", "--pid", "--cgroup", "--fork", "--kill-child=SIGKILL", "--propagation=private"}
	if os.Geteuid() != 0 {
		args = append([]string{"--user", "--map-current-user", "--keep-caps"}, args...)
	}
	return append(args, "--")
}

// Enter makes the namespaces, in the cgroup. The command is unshare with
// UnshareArgs and a program, which becomes process 1. Enter returns when that
// program has written its process id, as the host sees it, and a line break to
// file descriptor 3. Until then ctx bounds it. After an error a process may
// live on, whose parent was killed before it asked to be killed too: it is in
// the cgroup, and ends with Cgroup.Remove.
func Enter(ctx context.Context, unshare *exec.Cmd, group *Cgroup) (*Namespace, error) {
	ready, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	n := &Namespace{cmd: unshare, done: make(chan struct{})}
	n.prepare(report, group)
	err = n.run()
	report.Close()
	if err != nil {
		return nil, fmt.Errorf("make namespaces: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })()
	if n.Init, err = readPID(ready); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the namespaces: %w", err), n.Stop())
	}
	return n, nil
}

func (n *Namespace) prepare(report *os.File, group *Cgroup) {
	n.cmd.ExtraFiles = []*os.File{report}
	n.cmd.WaitDelay = time.Second
	n.cmd.Dir = "/"
	n.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Setpgid:     true, // a terminal's interrupt is for the owner, who then stops it
		UseCgroupFD: true,
		CgroupFD:    int(group.handle.Fd()),
	}
}

// run starts unshare and waits for its end in the background. The thread that
// starts it must live as long, because its end is what the kernel takes for
// the parent's (PR_SET_PDEATHSIG(2const)).
func (n *Namespace) run() error {
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

// Done is closed when everything in the namespaces has ended.
func (n *Namespace) Done() <-chan struct{} { return n.done }

// Stop kills the namespaces' process 1, and with it everything inside. It may
// be called again.
func (n *Namespace) Stop() error {
	if n.Init != 0 && !n.ended() {
		_ = syscall.Kill(n.Init, syscall.SIGKILL) // unshare is there to reap it
	} else {
		_ = n.cmd.Process.Kill()
	}
	select {
	case <-n.done:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("process %d does not end", n.cmd.Process.Pid)
	}
}

func (n *Namespace) ended() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

func readPID(from *os.File) (int, error) {
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}
