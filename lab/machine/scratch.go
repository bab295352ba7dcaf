package machine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// scratchPrefix begins the names of machines' folders, and of their cgroups.
const scratchPrefix = "stackpolicy-machine-"

// ownerFile is locked for as long as a folder's owner lives, so that a lock
// that can be had means a dead owner. Its text is the machine's cgroup.
const ownerFile = "owner.lock"

// scratch is a machine's folder. A later run may remove it when its owner died.
type scratch struct {
	dir   string
	owner *os.File
}

// newScratch makes a folder below parent and locks it.
func newScratch(parent string) (*scratch, error) {
	dir, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a machine's folder: %w", err)
	}
	s := &scratch{dir: dir}
	if err := s.claim(); err != nil {
		_ = s.remove()
		return nil, fmt.Errorf("claim a machine's folder: %w", err)
	}
	return s, nil
}

// claim writes the owner file under another name first: the name that sweep
// looks for is never seen unlocked while its owner lives.
func (s *scratch) claim() (err error) {
	unlocked := s.path(ownerFile + ".new")
	if s.owner, err = os.OpenFile(unlocked, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if err := lock(s.owner); err != nil {
		return err
	}
	return os.Rename(unlocked, s.path(ownerFile))
}

func (s *scratch) path(name string) string { return filepath.Join(s.dir, name) }

// record notes the cgroup to remove with the folder.
func (s *scratch) record(cgroup string) error {
	if _, err := s.owner.WriteAt([]byte(cgroup), 0); err != nil {
		return fmt.Errorf("record the cgroup: %w", err)
	}
	return nil
}

// remove deletes the folder and lets the lock go.
func (s *scratch) remove() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove a machine's folder: %w", err)
	}
	s.owner.Close()
	return nil
}

// sweep removes what dead runs left below parent. Whatever it is not sure of
// stays.
func sweep(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, scratchPrefix+"*"))
	for _, dir := range found {
		if abandoned := openAbandoned(dir); abandoned != nil {
			abandoned.sweep()
		}
	}
}

// openAbandoned returns the folder with its lock held, or nil unless it is this
// account's and its owner is dead.
func openAbandoned(dir string) *scratch {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return nil
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() {
		return nil
	}
	owner, err := os.OpenFile(filepath.Join(dir, ownerFile), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	if lock(owner) != nil {
		owner.Close()
		return nil
	}
	return &scratch{dir: dir, owner: owner}
}

// sweep removes a dead owner's cgroup and then its folder, so that a cgroup
// that will not go is found again.
func (s *scratch) sweep() {
	defer s.owner.Close()
	recorded, err := io.ReadAll(io.LimitReader(s.owner, 4096))
	if err != nil {
		return
	}
	dir := strings.TrimSpace(string(recorded))
	if filepath.Base(dir) == filepath.Base(s.dir) && (&cgroup{dir: dir}).remove() != nil {
		return
	}
	_ = s.remove()
}

func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
