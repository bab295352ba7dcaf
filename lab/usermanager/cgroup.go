package usermanager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stackpolicy/lab/sandbox"
)

// newCgroup makes the cgroup of that name for one manager and the commands
// beside it. It is the root of the manager's cgroup namespace; the manager
// itself has the place below it that a real one has, and owns only that.
func newCgroup(name string, uid, gid int) (*sandbox.Cgroup, error) {
	c, err := sandbox.NewCgroup(name)
	if err != nil {
		return nil, err
	}
	if err := delegate(filepath.Join(c.Dir, managerCgroup(uid)), uid, gid); err != nil {
		return nil, errors.Join(fmt.Errorf("make a cgroup: %w", err), c.Remove())
	}
	return c, nil
}

// managerCgroup is where a real user manager is, which is how programs
// recognise the account's own services (sd_pid_get_user_unit(3)).
func managerCgroup(uid int) string {
	return fmt.Sprintf("user.slice/user-%d.slice/user@%d.service", uid, uid)
}

// delegate makes a cgroup that the account may manage.
func delegate(dir string, uid, gid int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range []string{".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(dir, file), uid, gid); err != nil {
			return err
		}
	}
	return nil
}
