package usermanager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stackpolicy/lab/sandbox"
)

// newCgroup makes a cgroup with that name for one manager and its commands. It is the
// root of the manager's cgroup namespace. The manager runs in a cgroup below it, at the
// same path as a real user manager, and owns only that one.
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

// managerCgroup is the cgroup path of a real user manager. Programs recognise an account's
// services by it (sd_pid_get_user_unit(3)).
func managerCgroup(uid int) string {
	return fmt.Sprintf("user.slice/user-%d.slice/user@%d.service", uid, uid)
}

// delegate makes a cgroup that the account can manage.
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
