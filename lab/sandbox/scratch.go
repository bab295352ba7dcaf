package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ownerFile is locked as long as the folder's owner runs: if the lock can be taken, the
// owner has ended. Its text is the path of the owner's cgroup.
const ownerFile = "owner.lock"

// maxRecord bounds what is read from an owner file: no path is longer (PATH_MAX,
// limits.h(0p)).
const maxRecord = 4096

// Scratch is a folder that a later run may remove if its owner ended without Remove.
type Scratch struct {
	Dir   string
	owner *os.File
}

// NewScratch makes a folder below parent, with a name that begins with prefix, and locks
// it. Only the calling account can enter it. The caller owns it and calls Remove.
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

// claim makes the owner file, locks it, and only then gives it the name that Sweep reads:
// Sweep must not find an unlocked file of a running owner.
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

// Path returns the path of a file in the folder.
func (s *Scratch) Path(name string) string { return filepath.Join(s.Dir, name) }

// Record stores which cgroup Sweep removes together with the folder. The cgroup must have
// the same name as the folder.
func (s *Scratch) Record(c *Cgroup) error {
	if _, err := s.owner.WriteAt([]byte(c.Dir), 0); err != nil {
		return fmt.Errorf("record the cgroup: %w", err)
	}
	return nil
}

// Remove deletes the folder and releases the lock. It may be called again, after an error
// and after success.
func (s *Scratch) Remove() error {
	if err := removeAll(s.Dir); err != nil {
		return fmt.Errorf("remove the scratch folder: %w", err)
	}
	s.owner.Close()
	return nil
}

// removeAll is like os.RemoveAll, and also removes read-only folders, such as those of a
// Nix store. An ordinary user could not remove these.
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

// Sweep removes the folders with that prefix below parent whose owner has ended, and
// their cgroups. It removes only folders of the calling account, and keeps a folder when
// in doubt.
func Sweep(parent, prefix string) {
	found, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range found {
		if abandoned := openAbandoned(dir); abandoned != nil {
			abandoned.sweep()
		}
	}
}

// openAbandoned takes the lock of a folder and returns it. It returns nil if the folder
// belongs to another account or its owner is still running.
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

// sweep removes the cgroup first and then the folder: if the cgroup cannot be removed, a
// later Sweep finds it again by the folder.
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
