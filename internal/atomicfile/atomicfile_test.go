package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func writing(text string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, _ = io.WriteString(w, text)
		return err
	}
}

func check(t *testing.T, path, want string, entries int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || string(text) != want {
		t.Errorf("the file: %q, %v; want %q", text, err, want)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != entries {
		t.Errorf("in the folder: %v, %v", left, err)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"old", "new"} {
		if err := Write(path, 0o640, writing(text, nil)); err != nil {
			t.Fatal(err)
		}
		check(t, path, text, 1)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode: %v, %v", info, err)
	}
}

func TestWriteThatFailsLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, 0o600, writing("old", nil)); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := Write(path, 0o600, writing("half", broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	check(t, path, "old", 1)
}

func TestWriteOverAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, 0o600, writing("new", nil)); err == nil {
		t.Error("written over a folder")
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
