package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFinished(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if done, err := finished(missing, "x\n"); done || err != nil {
		t.Errorf("a missing folder: %v, %v", done, err)
	}
	if done, err := finished(dir, "x\n"); done || err != nil {
		t.Errorf("an empty folder: %v, %v", done, err)
	}
	if err := os.WriteFile(filepath.Join(dir, stampFile), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if done, err := finished(dir, "x\n"); !done || err != nil {
		t.Errorf("a finished one: %v, %v", done, err)
	}
	if _, err := finished(dir, "y\n"); err == nil || !strings.Contains(err.Error(), "another make") {
		t.Errorf("one of another make: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, stampFile), filepath.Join(dir, "home")); err != nil {
		t.Fatal(err)
	}
	if done, err := finished(dir, "x\n"); done || err == nil {
		t.Errorf("someone else's folder: %v, %v", done, err)
	}
}
