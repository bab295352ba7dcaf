package fleet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key is read as it was written, never replaced, and refused if others may read it.
func TestKeyFile(t *testing.T) {
	path, k := filepath.Join(t.TempDir(), "fleet.key"), newKey(t)
	if _, err := ReadKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadKey(path)
	if err != nil || got.Public().Fingerprint() != k.Public().Fingerprint() {
		t.Errorf("%v, %v", got.Public(), err)
	}
	if err := newKey(t).Write(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if again, err := ReadKey(path); err != nil || again.Public().Fingerprint() != k.Public().Fingerprint() {
		t.Errorf("it is another key: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("readable by a group: %v", err)
	}
	if err := os.WriteFile(path+"2", []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path + "2"); err == nil || !strings.Contains(err.Error(), path+"2") {
		t.Errorf("no key in it: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}
