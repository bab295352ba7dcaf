package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const prefix = "sandbox-"

func newScratch(t *testing.T, parent string) *Scratch {
	t.Helper()
	s, err := NewScratch(parent, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSweep(t *testing.T) {
	parent := t.TempDir()
	living, dead := newScratch(t, parent), newScratch(t, parent)
	store := dead.Path("store")
	err := errors.Join(os.MkdirAll(filepath.Join(store, "x"), 0o755), os.Chmod(store, 0o500)) // read-only, as a Nix store is
	if err != nil {
		t.Fatal(err)
	}
	dead.owner.Close() // as the kernel does when a process ends
	open := newScratch(t, parent)
	open.owner.Close()
	if err := os.Chmod(open.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	unclaimed, other := filepath.Join(parent, prefix+"unclaimed"), filepath.Join(parent, "other")
	for _, dir := range []string{unclaimed, other} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	Sweep(parent, prefix)
	if _, err := os.Lstat(dead.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead owner's folder stays: %v", err)
	}
	for _, dir := range []string{living.Dir, open.Dir, unclaimed, other} {
		if _, err := os.Lstat(dir); err != nil {
			t.Errorf("swept too much: %v", err)
		}
	}
	for range 2 {
		if err := living.Remove(); err != nil {
			t.Error(err)
		}
	}
}

// TestSweepRemovesTheCgroup has one folder whose cgroup Sweep may remove, and one that
// names a cgroup of somebody else.
func TestSweepRemovesTheCgroup(t *testing.T) {
	parent := t.TempDir()
	own, foreign := newScratch(t, parent), newScratch(t, parent)
	group, other := newCgroup(t, filepath.Base(own.Dir)), newCgroup(t, filepath.Base(foreign.Dir)+"-other")
	for s, c := range map[*Scratch]*Cgroup{own: group, foreign: other} {
		if err := s.Record(c); err != nil {
			t.Fatal(err)
		}
		s.owner.Close()
	}
	Sweep(parent, prefix)
	if _, err := os.Lstat(group.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead owner's cgroup stays: %v", err)
	}
	if _, err := os.Lstat(other.Dir); err != nil {
		t.Errorf("swept a cgroup that has another name than the folder: %v", err)
	}
}
