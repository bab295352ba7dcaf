package unitfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/times"
)

// Bounds on what a single path may lead to.
const (
	maxHops   = 40       // as the kernel's
	maxSize   = 4 << 20  // a unit file is a few KiB
	maxDigest = 64 << 20 // what is larger is no unit file
)

// Kinds of a path, without following links.
const (
	Regular   = "regular"
	Symlink   = "link"
	Directory = "directory"
	Missing   = "missing"
	Other     = "other"
)

// File is what a path is and where it leads.
type File struct {
	Path      string
	Kind      string
	FirstHop  string // made absolute; "" when no link
	Target    string // "" when it does not resolve
	Directory bool   // the target is a folder
	Mode      fs.FileMode
	UID       int    // of the target; -1 when it does not resolve
	GID       int    // of the target, as UID
	Digest    string // sha256:<hex> of a regular target; "" when unreadable or far too large
	LinkMtime time.Time
	Mtime     time.Time
	Changed   time.Time // newest ctime of the path and of every hop outside store
}

// Stat looks at path and at every link on the way from it. Files below store
// never change in place, so their ctime (which a hard-linking optimiser moves)
// does not count as a change; store may be "". What does not exist is a File
// of kind [Missing], not an error. A target that this account may not look at
// has a path and no more: the manager cannot read it either.
func Stat(ctx context.Context, path, store string) (File, error) {
	return NewLooker(store).Stat(ctx, path)
}

// Stat is the function of that name.
func (l *Looker) Stat(ctx context.Context, path string) (File, error) {
	f := File{Path: path, Kind: Missing, UID: -1, GID: -1}
	l.throughFolder(&f)
	for hop, at := 0, path; hop <= maxHops; hop++ {
		if err := ctx.Err(); err != nil {
			return f, fmt.Errorf("look at %q: %w", path, err)
		}
		info, err := os.Lstat(at)
		if hop > 0 && errors.Is(err, fs.ErrPermission) {
			f.Target = at
			return f, nil
		}
		if missing(err) {
			return f, nil
		}
		if err != nil {
			return f, fmt.Errorf("look at %q: %w", path, err)
		}
		if hop == 0 {
			f.LinkMtime = info.ModTime().UTC()
			if f.FirstHop == "" {
				f.Kind = kindOf(info)
			}
		}
		if !below(filepath.Clean(at), l.store) {
			f.Changed = times.Later(f.Changed, ctime(info))
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return f, l.reach(&f, at, info)
		}
		if at, err = l.nextHop(at); missing(err) {
			return f, nil // gone just now: an activation replaces links
		}
		if err != nil {
			return f, fmt.Errorf("look at %q: %w", path, err)
		}
		if hop == 0 && f.FirstHop == "" {
			f.FirstHop = filepath.Clean(at)
		}
	}
	return f, nil // a loop resolves to nothing
}

// ChangedAt returns the newest ctime of path and of every link on the way from it,
// outside store; zero when nothing is there. It is what [Stat] says of it, without
// a look at the content.
func ChangedAt(path, store string) time.Time {
	l, changed := NewLooker(store), time.Time{}
	for range maxHops {
		info, err := os.Lstat(path)
		if err != nil {
			break
		}
		if !below(filepath.Clean(path), store) {
			changed = times.Later(changed, ctime(info))
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			break
		}
		if path, err = l.nextHop(path); err != nil {
			break
		}
	}
	return changed
}

// throughFolder takes a path in a folder that is itself a link for a link: who
// declares a whole drop-in folder links the folder, not the files in it.
func (l *Looker) throughFolder(f *File) {
	folder := filepath.Dir(f.Path)
	info, err := l.lstat.get(folder, os.Lstat)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return
	}
	to, err := l.nextHop(folder)
	if _, gone := os.Lstat(f.Path); err != nil || gone != nil {
		return
	}
	f.Kind, f.FirstHop = Symlink, filepath.Join(to, filepath.Base(f.Path))
	f.Changed = times.Later(f.Changed, ctime(info))
}

// missing: the path, a folder on its way, or a target is not there.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// nextHop is where a link leads. A relative target counts from the folder that
// the link is really in, and ".." after a linked folder leads out of where that
// folder is: it is for the kernel to take such a path apart, not for
// [filepath.Clean].
func (l *Looker) nextHop(at string) (string, error) {
	to, err := os.Readlink(at)
	if err != nil || filepath.IsAbs(to) {
		return to, err
	}
	folder, _ := cutName(at)
	folder, err = l.real.get(folder, filepath.EvalSymlinks)
	return folder + "/" + to, err
}

func (l *Looker) reach(f *File, at string, info fs.FileInfo) error {
	if plain := filepath.Clean(at); plain != at {
		at = l.withoutLinks(at)
	}
	f.Target, f.Mode, f.Mtime = at, info.Mode().Perm(), info.ModTime().UTC()
	f.Directory = info.IsDir()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(st.Uid), int(st.Gid)
	}
	if !info.Mode().IsRegular() || info.Size() > l.MaxDigest {
		return nil
	}
	sum, err := l.digest.get(at, digest)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, regularfile.ErrTooLarge) {
		return nil // the manager cannot read it either: digest "" says so
	}
	if missing(err) {
		f.Target, f.UID, f.GID, f.Directory = "", -1, -1, false // gone just now
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", at, err)
	}
	f.Digest = sum
	return nil
}

// withoutLinks is the plain path of what is itself no link.
func (l *Looker) withoutLinks(at string) string {
	folder, name := cutName(at)
	if name == "" || name == "." || name == ".." {
		folder, name = at, ""
	}
	real, err := l.real.get(folder, filepath.EvalSymlinks)
	if err != nil {
		return at
	}
	return filepath.Join(real, name)
}

// cutName parts the last name off, and leaves the folder as it is written:
// filepath.Dir would take links in it apart.
func cutName(path string) (folder, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}

// buffers spare the collector one for each file.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

const bufferSize = 16 << 10

func digest(path string) (string, error) {
	sum := sha256.New()
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	f, err := regularfile.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n, err := io.CopyBuffer(sum, io.LimitReader(f, maxDigest+1), buffer[:])
	if n > maxDigest {
		err = regularfile.ErrTooLarge
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}

func kindOf(info fs.FileInfo) string {
	switch m := info.Mode(); {
	case m.IsRegular():
		return Regular
	case m&fs.ModeSymlink != 0:
		return Symlink
	case m.IsDir():
		return Directory
	default:
		return Other
	}
}

func below(path, dir string) bool {
	return dir != "" && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func ctime(info fs.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.ModTime().UTC()
	}
	return time.Unix(st.Ctim.Unix()).UTC()
}
