package atomicfile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes a folder within another, and returns its path.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	for name, text := range map[string]string{"a": "a", "b/x": "x", "b/y": "y", ".git/config": "g", "gone/z": "z"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// content returns the texts of a folder's files by name, with the folders.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			all[name], err = os.Readlink(path)
		default:
			var text []byte
			text, err = os.ReadFile(path)
			all[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var change = map[string][]byte{"a": []byte("A"), "b/y": nil, "gone/z": nil, "new/deep/n": []byte("n"), "never": nil}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	before := content(t, dir)
	err := Folder(dir, change, func() error {
		if d := cmp.Diff(before, content(t, dir)); d != "" {
			t.Errorf("changed before it is ready: -want +got\n%s", d)
		}
		return nil
	})
	want := map[string]string{"a": "A", "b/": "", "b/x": "x", ".git/": "", ".git/config": "g", "link": "nowhere", "new/": "", "new/deep/": "", "new/deep/n": "n"}
	if d := cmp.Diff(want, content(t, dir)); d != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
	for name, mode := range map[string]fs.FileMode{".": 0o750, "a": 0o640, "b": 0o750, "b/x": 0o640, "new": 0o755, "new/deep/n": 0o644} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
		}
	}
	alone(t, dir)
}

// alone checks that nothing is left beside a folder.
func alone(t *testing.T, dir string) {
	t.Helper()
	if list, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(list) != 1 {
		t.Errorf("beside the folder: %v, %v", list, err)
	}
}

// TestFolderThatFails: at each point where it can fail, the folder is as it was.
func TestFolderThatFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		change map[string][]byte
		ready  func(dir string) error
	}{
		"refused":             {change, func(string) error { return refused }},
		"a file for a folder": {map[string][]byte{"a/b": []byte("x")}, nil},
		"a folder for a file": {map[string][]byte{"b": []byte("x")}, nil},
		"nothing to exchange": {change, func(dir string) error { return os.Rename(dir, dir+".away") }},
		"a name outside":      {map[string][]byte{"../../../x/y": []byte("x")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			before := content(t, dir)
			ready := func() error {
				if c.ready == nil {
					return nil
				}
				return c.ready(dir)
			}
			if err := Folder(dir, c.change, ready); err == nil {
				t.Error("no error")
			}
			if _, err := os.Lstat(dir + ".away"); err == nil {
				if err := os.Rename(dir+".away", dir); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(before, content(t, dir)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			alone(t, dir)
		})
	}
}

// TestFolderThroughALink: the folder is replaced, and not the link to it.
func TestFolderThroughALink(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Folder(link, map[string][]byte{"a": []byte("A")}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != dir || content(t, dir)["a"] != "A" {
		t.Errorf("%q, %v, %v", to, err, slices.Sorted(maps.Keys(content(t, dir))))
	}
}

// TestFolderInUse: what somebody writes there meanwhile is never lost.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(dir string) error{
		"a new file":      func(dir string) error { return os.WriteFile(filepath.Join(dir, ".git/index"), nil, 0o600) },
		"a changed file":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "a"), []byte("mine"), 0o600) },
		"a replaced file": func(dir string) error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b/x")) },
	} {
		dir := folder(t)
		err := Folder(dir, change, func() error { return write(dir) })
		if err == nil || errors.Is(err, ErrKept) {
			t.Errorf("%s: %v", name, err)
		}
		if content(t, dir)["new/deep/n"] != "" {
			t.Errorf("%s: the folder was replaced", name)
		}
		alone(t, dir)
	}
}

// TestFolderThatIsReadOnly: also for root, who could.
func TestFolderThatIsReadOnly(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	before := content(t, dir)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	err := Folder(dir, change, func() error { return nil })
	if d := cmp.Diff(before, content(t, dir)); d != "" || err == nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
	alone(t, dir)
	if err := os.Chmod(dir, 0o755); err != nil { // so that it can be removed
		t.Fatal(err)
	}
}

// TestFolderOfAGroup: new files belong to the group of the folder, as before.
func TestFolderOfAGroup(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Chmod(dir, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := Folder(dir, change, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o770 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
