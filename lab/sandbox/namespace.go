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

// stopTimeout bounds the wait until killed processes have ended.
const stopTimeout = 10 * time.Second

// Namespace is a set of mount, PID and cgroup namespaces. It ends when the process that
// made it ends.
type Namespace struct {
	// Init is the id, on the host, of the process that is number 1 inside.
	Init int

	cmd  *exec.Cmd
	done chan struct{}
}

// UnshareArgs returns unshare(1)'s arguments up to the program. The namespaces end when
// unshare ends, and unshare ends with the thread that started it. An ordinary user also
// gets a user namespace, in which that user is the only account.
func UnshareArgs() []string {
	args := []string{"--mount", "--pid", "--cgroup", "--fork", "--kill-child=SIGKILL", "--propagation=private"}
	if os.Geteuid() != 0 {
		args = append([]string{"--user", "--map-current-user", "--keep-caps"}, args...)
	}
	return append(args, "--")
}

// Enter makes the namespaces, with all processes in the cgroup. The command is unshare
// with UnshareArgs and a program, which becomes process 1. Enter returns when that program
// has written its process id, as the host sees it, and a line break to file descriptor 3.
// ctx bounds this wait. After an error a process may still be running, if its parent was
// killed early. It is in the cgroup, so Cgroup.Remove ends it.
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
		Setpgid:     true, // an interrupt from the terminal goes to the owner, who then calls Stop
		UseCgroupFD: true,
		CgroupFD:    int(group.handle.Fd()),
	}
}

// run starts unshare and waits for its end in the background. The thread that starts it
// must live until then, because the kernel treats the end of that thread as the end of the
// parent (PR_SET_PDEATHSIG(2const)).
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

// Done returns a channel that is closed when all processes in the namespaces have ended.
func (n *Namespace) Done() <-chan struct{} { return n.done }

// Stop kills process 1 of the namespaces, and with it every process inside. It may be
// called again.
func (n *Namespace) Stop() error {
	if n.Init != 0 && !n.ended() {
		_ = syscall.Kill(n.Init, syscall.SIGKILL) // unshare reaps it
	} else {
		_ = n.cmd.Process.Kill()
	}
	select {
	case <-n.done:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("process %d was killed and has not ended", n.cmd.Process.Pid)
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
