package usermanager

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// scratchPrefix begins the names of scratch folders, and of cgroups.
const scratchPrefix = "stackpolicy-lab-"

// maxScratchPath leaves room for socket names below a scratch folder: a
// socket's path has 108 bytes (unix(7)).
const maxScratchPath = 64

// ownerFile is locked for as long as a scratch folder's owner lives, so that a
// lock that can be had means a dead owner. Its text is the owner's cgroup.
const ownerFile = "owner.lock"

// scratch is a folder that a later run may remove when its owner died.
type scratch struct {
	dir   string
	owner *os.File
}

// newScratch makes a scratch folder below parent and locks it.
func newScratch(parent string) (*scratch, error) {
	dir, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	s := &scratch{dir: dir}
	if err := s.claim(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// claim writes the owner file under another name first: the name that sweep
// looks for is never seen unlocked while its owner lives.
func (s *scratch) claim() error {
	if len(s.dir) > maxScratchPath {
		return fmt.Errorf("scratch folder %q is too long for sockets below it: set TMPDIR to a shorter path", s.dir)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	unlocked := filepath.Join(s.dir, ownerFile+".new")
	owner, err := os.OpenFile(unlocked, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("claim the scratch folder: %w", err)
	}
	s.owner = owner
	if err := lock(owner); err != nil {
		return fmt.Errorf("lock %q: %w", unlocked, err)
	}
	if err := os.Rename(unlocked, filepath.Join(s.dir, ownerFile)); err != nil {
		return fmt.Errorf("claim the scratch folder: %w", err)
	}
	return nil
}

// record notes the cgroup to remove with the folder.
func (s *scratch) record(cgroup string) error {
	if _, err := s.owner.WriteString(cgroup); err != nil {
		return fmt.Errorf("record the cgroup: %w", err)
	}
	return nil
}

// remove deletes the folder and lets the lock go.
func (s *scratch) remove() error {
	defer s.owner.Close()
	return removeAll(s.dir)
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
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the scratch folder: %w", err)
	}
	return nil
}

// sweep removes what dead runs of the same user left below parent. Whatever it
// is not sure of stays.
func sweep(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, scratchPrefix+"*"))
	for _, dir := range found {
		if abandoned := openAbandoned(dir); abandoned != nil {
			abandoned.sweep()
		}
	}
}

// openAbandoned returns the scratch folder with its lock held, or nil unless
// it is this user's and its owner is dead.
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
	recorded, err := io.ReadAll(s.owner)
	if err != nil {
		s.owner.Close()
		return
	}
	dir := strings.TrimSpace(string(recorded))
	if filepath.Base(dir) == filepath.Base(s.dir) {
		if err := (&cgroup{dir: dir}).remove(); err != nil {
			s.owner.Close()
			return
		}
	}
	_ = s.remove()
}

func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// makeFolder makes a folder and its parents, whatever the umask.
func makeFolder(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	if err := syscall.Chmod(path, uint32(mode)); err != nil {
		return fmt.Errorf("make the scratch folder %q: %w", path, err)
	}
	return nil
}
