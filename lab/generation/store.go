package generation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// storeTime is the modification time of everything in a Nix store.
var storeTime = time.Unix(1, 0)

// addFile writes a declared file and returns its path: H-NAME/NAME for a unit, and
// H-hm_NAME for other files.
func addFile(store, rel, text string) (string, error) {
	if isUnit(rel) {
		name := path.Base(rel)
		dir := storePath(store, unitStoreName(name), name, text)
		return filepath.Join(dir, name), add(dir, func(dir string) error {
			return writeTree(dir, func() error { return writeFile(filepath.Join(dir, name), text) })
		})
	}
	file := storePath(store, storeName(rel), text)
	return file, add(file, func(file string) error { return writeFile(file, text) })
}

// addLink writes a store path that is a link out of the store.
func addLink(store, rel, target string) (string, error) {
	link := storePath(store, storeName(path.Base(target)), rel, target)
	return link, add(link, func(link string) error { return writeLink(link, target) })
}

// addTree writes a store path that is a folder of links.
func addTree(store, name string, links map[string]string) (string, error) {
	var content []string
	for _, rel := range slices.Sorted(maps.Keys(links)) {
		content = append(content, rel, links[rel])
	}
	dir := storePath(store, name, content...)
	return dir, add(dir, func(dir string) error {
		return writeTree(dir, func() error { return writeLinks(dir, links) })
	})
}

func writeLinks(dir string, links map[string]string) error {
	for rel, target := range links {
		link := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := writeLink(link, target); err != nil {
			return err
		}
	}
	return nil
}

// add writes a store path, unless it exists. It is written under another name and moved,
// so that it is never there incomplete.
func add(storePath string, write func(path string) error) error {
	if _, err := os.Lstat(storePath); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(storePath), ".unfinished-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	written := filepath.Join(unfinished, filepath.Base(storePath))
	if err := write(written); err != nil {
		return err
	}
	return moveReadOnly(written, storePath)
}

// moveReadOnly moves a read-only store path to its place. An ordinary user can move only
// folders with write permission, so it sets and removes that permission.
func moveReadOnly(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return os.Rename(from, to)
	}
	if err := os.Chmod(from, 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return settle(to, 0o555)
}

func writeFile(name, text string) error {
	if err := os.WriteFile(name, []byte(text), 0o444); err != nil {
		return err
	}
	return settle(name, 0o444)
}

func writeLink(name, target string) error {
	if err := os.Symlink(target, name); err != nil {
		return err
	}
	return setStoreTime(name)
}

// writeTree makes a folder, fills it, and gives it the modes and times of a store.
func writeTree(dir string, fill func() error) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	var folders []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(folders) // innermost first
	for _, folder := range folders {
		if err := settle(folder, 0o555); err != nil {
			return err
		}
	}
	return nil
}

func settle(name string, mode os.FileMode) error {
	if err := os.Chmod(name, mode); err != nil {
		return err
	}
	return setStoreTime(name)
}

// setStoreTime sets the times of a file or of a link itself.
func setStoreTime(name string) error {
	stamp := unix.NsecToTimespec(storeTime.UnixNano())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of %q: %w", name, err)
	}
	return nil
}

// base32 is Nix's alphabet: no e, o, t or u.
const base32 = "0123456789abcdfghijklmnpqrsvwxyz"

// storePath names a store path after its content.
func storePath(store, name string, content ...string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + strings.Join(content, "\x00")))
	hash := make([]byte, 32)
	for i := range hash {
		hash[i] = base32[sum[i]%32]
	}
	return filepath.Join(store, string(hash)+"-"+name)
}

// unitStoreName is mkPathSafeName of modules/systemd.nix.
func unitStoreName(unit string) string {
	return strings.NewReplacer("@", "-", ":", "-", `\`, "-", "[", "", "]", "").Replace(unit)
}

// storeName is storeFileName of modules/lib/strings.nix, for an
// xdg.configFile's name.
func storeName(rel string) string {
	return "hm_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("+._?=", r):
			return r
		}
		return -1
	}, strings.TrimPrefix(rel, ".config/"))
}
