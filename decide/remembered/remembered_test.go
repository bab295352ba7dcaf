package remembered

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)

func key(c string) string { return strings.Repeat(c, keySize) }

// home has a state folder, as the history makes it.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "stackpolicy"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func keepIn(t *testing.T, dir string, at time.Time, answers map[string][]byte) {
	t.Helper()
	if err := Open(dir, at).Keep(t.Context(), answers); err != nil {
		t.Fatal(err)
	}
}

// has lists which of the keys a, b and c are known, with their answers.
func has(t *testing.T, dir string, at time.Time) string {
	t.Helper()
	found, err := Open(dir, at).Recall(t.Context(), []string{key("a"), key("b"), key("c")})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range []string{"a", "b", "c"} {
		if text, known := found[key(c)]; known {
			list = append(list, c+"="+string(text))
		}
	}
	return strings.Join(list, " ")
}

func TestKept(t *testing.T) {
	dir := home(t)
	if got := has(t, dir, now); got != "" {
		t.Errorf("before there is a file: %q", got)
	}
	keepIn(t, dir, now, map[string][]byte{key("a"): []byte("1"), key("b"): {}})
	keepIn(t, dir, now, map[string][]byte{key("c"): []byte("3"), key("a"): []byte("2")})
	if got := has(t, dir, now); got != "a=2 b= c=3" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(Path(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := Open(dir, now).Keep(t.Context(), map[string][]byte{"short": nil}); err == nil {
		t.Error("a short key was kept")
	}
}

// What is asked for stays, and what is not is forgotten after a week.
func TestForgotten(t *testing.T) {
	dir := home(t)
	day := 24 * time.Hour
	keepIn(t, dir, now, map[string][]byte{key("a"): []byte("1"), key("b"): []byte("1")})
	for i := range 10 {
		f := Open(dir, now.Add(time.Duration(i)*day))
		if found, err := f.Recall(t.Context(), []string{key("a")}); err != nil || len(found) != 1 {
			t.Fatalf("after %d days: %v, %v", i, found, err)
		}
	}
	if got := has(t, dir, now.Add(9*day)); got != "a=1" {
		t.Errorf("after nine days: %q", got)
	}
	if before, err := os.Stat(Path(dir)); err != nil {
		t.Error(err)
	} else if has(t, dir, now.Add(9*day)); err == nil {
		after, _ := os.Stat(Path(dir))
		if after.ModTime() != before.ModTime() {
			t.Error("an audit of an unchanged system wrote the file")
		}
	}
}

// A file that is damaged, or of somebody else, is not used; the next answers replace it.
func TestUnusable(t *testing.T) {
	whole := func(t *testing.T) []byte {
		dir := home(t)
		keepIn(t, dir, now, map[string][]byte{key("a"): []byte("1")})
		content, err := os.ReadFile(Path(dir))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}(t)
	for name, spoil := range map[string]func(path string) error{
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"other format": func(path string) error {
			return os.WriteFile(path, bytes.Replace(whole, []byte("1\n"), []byte("2\n"), 1), 0o600)
		},
		"cut":       func(path string) error { return os.WriteFile(path, whole[:len(whole)-1], 0o600) },
		"cut early": func(path string) error { return os.WriteFile(path, whole[:len(magic)+5], 0o600) },
		"too long":  func(path string) error { return os.Truncate(path, maxBytes+1) },
		"of others": func(path string) error { return os.Chmod(path, 0o622) },
		"a link":    func(path string) error { os.Rename(path, path+"2"); return os.Symlink(path+"2", path) },
		"a folder":  func(path string) error { os.Remove(path); return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			keepIn(t, dir, now, map[string][]byte{key("a"): []byte("1")})
			if err := spoil(Path(dir)); err != nil {
				t.Fatal(err)
			}
			if got := has(t, dir, now); got != "" {
				t.Errorf("got %q", got)
			}
			err := Open(dir, now).Keep(t.Context(), map[string][]byte{key("b"): []byte("2")})
			if name == "a folder" {
				if err == nil {
					t.Error("a folder was replaced")
				}
				return
			}
			if got := has(t, dir, now); err != nil || !strings.HasSuffix(got, "b=2") {
				t.Errorf("afterwards %q, %v", got, err)
			}
		})
	}
}

func TestBounded(t *testing.T) {
	dir := home(t)
	big := bytes.Repeat([]byte("x"), maxBytes/2)
	keepIn(t, dir, now, map[string][]byte{key("a"): big, key("b"): big, key("c"): big})
	if info, err := os.Stat(Path(dir)); err != nil || info.Size() > maxBytes {
		t.Errorf("%v, %v", info, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(magic))
	f.Add([]byte(magic + key("a") + "\x00\x00\x00\x01\x00\x00\x00\x02ab"))
	f.Fuzz(func(t *testing.T, content []byte) {
		read := &File{answers: map[string]answer{}}
		read.parse(content)
		for k, a := range read.answers {
			if len(k) != keySize || len(a.text) > len(content) {
				t.Errorf("%q: %d bytes of %d", k, len(a.text), len(content))
			}
		}
	})
}
