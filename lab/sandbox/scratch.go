package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ownerFile is locked for as long as a folder's owner lives, so that a lock
// that can be had means a dead owner. Its text is the owner's cgroup.
const ownerFile = "owner.lock"

// maxRecord bounds what is read of an owner file: a path has no more bytes
// (PATH_MAX, limits.h(0p)).
const maxRecord = 4096

// Scratch is a folder that a later run may remove when its owner died.
type Scratch struct {
	Dir   string
	owner *os.File
}

// NewScratch makes a folder below parent, whose name begins with prefix, and
// locks it. Only the calling account may enter it. The owner calls Remove.
func NewScratch(parent, prefix string) (*Scratch, error) {
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	s := &Scratch{Dir: dir}
	if err := s.claim(); err != nil {
		_ = s.Remove()
		return nil, fmt.Errorf("claim a scratch folder: %w", err)
	}
	return s, nil
}

// claim writes the owner file under another name first: the name that Sweep
// looks for is never seen unlocked while its owner lives.
func (s *Scratch) claim() (err error) {
	unlocked := s.Path(ownerFile + ".new")
	if s.owner, err = os.OpenFile(unlocked, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if err := lock(s.owner); err != nil {
		return fmt.Errorf("lock %q: %w", unlocked, err)
	}
	return os.Rename(unlocked, s.Path(ownerFile))
}

// Path is the path of a file in the folder.
func (s *Scratch) Path(name string) string { return filepath.Join(s.Dir, name) }

// Record notes the cgroup that Sweep removes with the folder. It has to have
// the folder's name.
func (s *Scratch) Record(c *Cgroup) error {
	if _, err := s.owner.WriteAt([]byte(c.Dir), 0); err != nil {
		return fmt.Errorf("record the cgroup: %w", err)
	}
	return nil
}

// Remove deletes the folder and lets the lock go. After an error it may be
// called again, as it may when the folder is gone.
func (s *Scratch) Remove() error {
	if err := removeAll(s.Dir); err != nil {
		return fmt.Errorf("remove the scratch folder: %w", err)
	}
	s.owner.Close()
	return nil
}

// removeAll is os.RemoveAll for trees with read-only folders, as a store has,
// which stop an ordinary user.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// Sweep removes the folders with that prefix that dead runs of the same account
// left below parent, and their cgroups. Whatever it is not sure of stays.
func Sweep(parent, prefix string) {
	found, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range found {
		if abandoned := openAbandoned(dir); abandoned != nil {
			abandoned.sweep()
		}
	}
}

// openAbandoned returns the folder with its lock held, or nil unless it is this
// account's and its owner is dead.
func openAbandoned(dir string) *Scratch {
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
	return &Scratch{Dir: dir, owner: owner}
}

// sweep removes a dead owner's cgroup and then its folder, so that a cgroup
// that will not go is found again.
func (s *Scratch) sweep() {
	defer s.owner.Close()
	recorded, err := io.ReadAll(io.LimitReader(s.owner, maxRecord))
	if err != nil {
		return
	}
	dir := strings.TrimSpace(string(recorded))
	if filepath.Base(dir) == filepath.Base(s.Dir) && (&Cgroup{Dir: dir}).Remove() != nil {
		return
	}
	_ = s.Remove()
}

func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
