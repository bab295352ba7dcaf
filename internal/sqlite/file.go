package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/regularfile"
)

// keptAside is how many renamed databases are kept.
const keptAside = 3

// beside has the suffixes of the files that SQLite keeps beside a database in WAL mode
// (sqlite.org/walformat.html).
var beside = []string{"-wal", "-shm"}

// OwnFolder creates the folder, private to the user, and refuses one that others
// can write to: they could replace its files.
func OwnFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return owned(dir, info)
}

// ownFile refuses path, or a file that SQLite keeps beside it, if it is not a
// regular file of the user's own. Only path has to exist.
func ownFile(path string) error {
	for _, ending := range append([]string{""}, beside...) {
		info, err := os.Lstat(path + ending)
		if ending != "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file but %s; remove it", path+ending, info.Mode().Type())
		}
		if err := owned(path+ending, info); err != nil {
			return err
		}
	}
	return nil
}

func owned(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user id %d, and this is %d", path, stat.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write to %s (mode %04o); take that away: chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// createFile creates an empty file, private to the user. An existing file is left
// as it is.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// SetAside renames the database and the files that SQLite keeps beside it, so that it can be
// opened with its new name, which it returns.
func SetAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	for _, ending := range append([]string{""}, beside...) {
		err := os.Rename(path+ending, aside+ending)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if err := os.Remove(brokenMark(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return aside, dropAside(path)
}

// dropAside deletes renamed databases except the newest.
func dropAside(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+".damaged-") && !strings.HasSuffix(e.Name(), beside[0]) && !strings.HasSuffix(e.Name(), beside[1]) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) })
	for _, name := range names[min(keptAside, len(names)):] {
		for _, ending := range append([]string{""}, beside...) {
			err := os.Remove(filepath.Join(filepath.Dir(path), name+ending))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// brokenMark is the path of a file that marks a database as damaged. It is written when damage
// is found in use; the next [Open] refuses the database. Opening itself checks only the pages
// that it reads: checking all of a large database each time would take too long.
func brokenMark(path string) string { return path + ".broken" }

// marked returns why the database was marked as damaged; "" if it was not.
func marked(path string) (string, error) {
	f, err := regularfile.OpenFile(brokenMark(path), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	why, err := io.ReadAll(io.LimitReader(f, 500))
	return cmp.Or(strings.ToValidUTF8(string(why), "?"), "found damaged"), err
}

func mark(path, why string) error {
	return os.WriteFile(brokenMark(path), []byte(why), 0o600)
}
