package collect

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// systemOwner knows what only root can change. It is not for use by several
// goroutines.
type systemOwner struct {
	root    string // where the walk up ends
	uid     uint32 // root's, as it is seen here
	folders map[string]bool
}

// newSystemOwner takes the owner of /usr for root: in a user namespace root's files
// belong to nobody. root is where /usr is; "" is /.
func newSystemOwner(root string) *systemOwner {
	s := &systemOwner{root: filepath.Join("/", root), folders: map[string]bool{}}
	if info, err := os.Stat(filepath.Join(s.root, "usr")); err == nil {
		s.uid = ownerOf(info)
	}
	return s
}

// alone reports whether nobody but root can change what is at path, or where it
// leads. What leads nowhere is nothing.
func (s *systemOwner) alone(path string) bool {
	for range 40 { // as many links as the kernel follows
		folder, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return true
		}
		if !s.aloneIn(folder) {
			return false
		}
		at := filepath.Join(folder, filepath.Base(path))
		info, err := os.Lstat(at)
		if err != nil {
			return true
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return s.isSafe(info) || at == os.DevNull
		}
		to, err := os.Readlink(at)
		if err != nil {
			return false // gone just now
		}
		if path = to; !filepath.IsAbs(to) {
			path = folder + "/" + to
		}
	}
	return true
}

// aloneIn reports whether only root can put something into a folder, or another
// folder in its place. Folders that a group may write to, as Debian's
// /usr/local/lib, are the administrator's choice.
func (s *systemOwner) aloneIn(folder string) bool {
	known, ok := s.folders[folder]
	if ok {
		return known
	}
	info, err := os.Lstat(folder)
	is := err == nil && s.isRoots(info) && (info.Mode()&0o002 == 0 || info.Mode()&fs.ModeSticky != 0)
	if is && folder != s.root && folder != "/" {
		is = s.aloneIn(filepath.Dir(folder))
	}
	s.folders[folder] = is
	return is
}

func (s *systemOwner) isSafe(info fs.FileInfo) bool {
	group := info.Mode()&0o020 == 0 || groupOf(info) == 0
	return s.isRoots(info) && info.Mode()&0o002 == 0 && group
}

func (s *systemOwner) isRoots(info fs.FileInfo) bool {
	uid := ownerOf(info)
	return uid == 0 || uid == s.uid
}

func ownerOf(info fs.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid
	}
	return ^uint32(0)
}

func groupOf(info fs.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Gid
	}
	return ^uint32(0)
}

func changeTime(info fs.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.ModTime().UTC()
	}
	return time.Unix(st.Ctim.Unix()).UTC()
}
