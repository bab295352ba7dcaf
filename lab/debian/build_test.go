package debian

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestIsFinished(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if done, err := isFinished(missing, "x\n"); done || err != nil {
		t.Errorf("a missing folder: %v, %v", done, err)
	}
	if done, err := isFinished(dir, "x\n"); done || err != nil {
		t.Errorf("an empty folder: %v, %v", done, err)
	}
	if err := os.WriteFile(filepath.Join(dir, stampFile), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if done, err := isFinished(dir, "x\n"); !done || err != nil {
		t.Errorf("a finished one: %v, %v", done, err)
	}
	if _, err := isFinished(dir, "y\n"); err == nil || !strings.Contains(err.Error(), "another list of packages") {
		t.Errorf("another list of packages: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, stampFile), filepath.Join(dir, "home")); err != nil {
		t.Fatal(err)
	}
	if done, err := isFinished(dir, "x\n"); done || err == nil {
		t.Errorf("someone else's folder: %v, %v", done, err)
	}
}

// TestBuildWaitsForTheCache checks that Build does not remove the unfinished root of a
// process that makes the same one through the cache.
func TestBuildWaitsForTheCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), Trixie)
	unlock, err := lock(t.Context(), dir+lockSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	unfinished := dir + ".unfinished"
	if err := os.Mkdir(unfinished, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := Build(ctx, Trixie, dir, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the wait for the lock to time out", err)
	}
	if _, err := os.Stat(unfinished); err != nil {
		t.Errorf("the other process's root is gone: %v", err)
	}
}
