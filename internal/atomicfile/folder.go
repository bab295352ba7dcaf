package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"stackpolicy/internal/regularfile"
)

// maxEntries bounds a folder that is replaced.
const maxEntries = 100_000

// Folder changes files of a folder in one step: who reads it sees the old files or the new
// ones, also after a crash. change has the new text of each file, by its path in the folder;
// nil removes the file. The new folder is made beside the old one, out of links to the files that stay,
// and takes its place (renameat2(2), RENAME_EXCHANGE) after ready, which may refuse. If
// something fails, the old folder stays. One that is [ReadOnly] is refused. The error is [ErrKept] if the folder was replaced while
// somebody wrote a file there, which only the old one has.
func Folder(dir string, change map[string][]byte, ready func() error) (err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := ReadOnly(dir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".stackpolicy-*")
	if err != nil {
		return err
	}
	defer func() {
		if !errors.Is(err, ErrKept) {
			err = errors.Join(err, os.RemoveAll(work)) // with the old folder in it, after the exchange
		}
	}()
	fresh := filepath.Join(work, "new")
	linked, err := linkTree(dir, fresh, change)
	if err != nil {
		return err
	}
	for name, text := range change {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q is not in the folder", name)
		}
		if err := writeOver(filepath.Join(dir, name), filepath.Join(fresh, name), text); err != nil {
			return err
		}
	}
	if err := ready(); err != nil {
		return err
	}
	if name := linked.missing(dir); name != "" {
		return fmt.Errorf("%s was written meanwhile; run it again", filepath.Join(dir, name))
	}
	if err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("replace the folder %s in one step: %w", dir, err)
	}
	if name := linked.missing(fresh); name != "" {
		return fmt.Errorf("%w: %s is in %s, copy it from there", ErrKept, name, fresh)
	}
	return nil
}

// ReadOnly returns an error for a folder that its owner may not write, as one in the Nix store.
// Root could write it. A folder that does not exist is no error.
func ReadOnly(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.Mode()&0o200 == 0 {
		return fmt.Errorf("%s is read-only; if Nix made it, change the files that it was made from", dir)
	}
	return nil
}

// ErrKept is the error for a file that only the old folder has, which was kept beside the new
// one.
var ErrKept = errors.New("the folder was replaced, but a file was written there meanwhile")

// tree has what a folder had when it was read, by path in it.
type tree map[string]fs.FileInfo

// missing returns a file of the folder that the tree does not have, "" if there is no such file: it is
// another file now, or was written. What cannot be read counts too.
func (t tree) missing(dir string) (name string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		at, _ := filepath.Rel(dir, path)
		now, statErr := os.Lstat(path)
		switch was := t[at]; {
		case errors.Is(cmp.Or(err, statErr), fs.ErrNotExist): // removed
		case cmp.Or(err, statErr) != nil, was == nil, !d.IsDir() && !(os.SameFile(was, now) && was.ModTime().Equal(now.ModTime())):
			name = at
			return fs.SkipAll
		}
		return nil
	})
	return name
}

// linkTree makes folders like those of a tree, with links to its files, without the changed
// ones. It returns what the tree has.
func linkTree(from, to string, change map[string][]byte) (tree, error) {
	all := tree{}
	return all, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if all[name], err = os.Lstat(path); err != nil {
			return err
		}
		if len(all) > maxEntries {
			return fmt.Errorf("%s has more than %d files", from, maxEntries)
		}
		if _, changed := change[name]; changed {
			return nil
		}
		there := filepath.Join(to, name)
		if !d.IsDir() {
			return os.Link(path, there)
		}
		if err := os.Mkdir(there, 0o700); err != nil {
			return err
		}
		return likeThe(path, there)
	})
}

// writeOver writes the new version of a file, with the mode and owner of the old one. A new
// file can be read by everybody. Without a text, the folder of the file is removed if nothing
// is left in it.
func writeOver(old, path string, text []byte) error {
	if text == nil {
		_ = os.Remove(filepath.Dir(path)) // it fails if it is not empty
		return nil
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := regularfile.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := likeThe(old, path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func makeFolder(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755))
}

// likeThe gives a file or folder the mode and owner of another.
func likeThe(other, path string) error {
	info, err := os.Lstat(other)
	if err != nil {
		return err
	}
	if s, known := info.Sys().(*syscall.Stat_t); known {
		if err := os.Lchown(path, int(s.Uid), int(s.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
}
