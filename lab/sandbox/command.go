package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Adopt prepares a command of nsenter(1): it will start in the cgroup, as leader of a new
// process group. When the command's context ends, that process group is killed.
func (c *Cgroup) Adopt(nsenter *exec.Cmd) {
	nsenter.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:     true,
		UseCgroupFD: true,
		CgroupFD:    int(c.handle.Fd()),
	}
	nsenter.Cancel = func() error { return c.killGroup(nsenter.Process.Pid) }
	nsenter.WaitDelay = 2 * time.Second
}

// killGroup kills the process group that nsenter leads, except nsenter itself, which ends
// when its child ends. If nsenter were killed, the host's process 1 would have to reap
// that child, and the PID namespace cannot end before that.
func (c *Cgroup) killGroup(nsenter int) error {
	found := false
	for range 20 { // a process may have forked since the list was read
		members, err := c.group(nsenter)
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

// group lists the processes of the cgroup that are in a process group, without the
// group's leader.
func (c *Cgroup) group(leader int) ([]int, error) {
	procs, err := os.ReadFile(filepath.Join(c.Dir, "cgroup.procs"))
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
