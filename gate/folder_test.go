package gate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
)

func folder(t *testing.T) (f *Folder, now *time.Time) {
	t.Helper()
	at := noon
	return &Folder{StateHome: t.TempDir(), UID: os.Getuid(), Boot: "one", Now: func() time.Time { return at }}, &at
}

// begin begins a gate on a document about a host of this name.
func begin(t *testing.T, f *Folder, name, of string, replace bool) error {
	t.Helper()
	release, err := f.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	return f.Begin(name, &facts.Document{Schema: facts.Schema, CollectedAt: noon, Host: &facts.Host{Name: of}, Collectors: map[string]facts.CollectorStatus{}, Units: []facts.Unit{}}, replace)
}

func TestFolder(t *testing.T) {
	f, now := folder(t)
	if _, err := f.Open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a begin: %v", err)
	}
	if err := begin(t, f, "a", "first", false); err != nil {
		t.Fatal(err)
	}
	*now = noon.Add(23 * time.Hour)
	k, err := f.Open("a")
	if err != nil || k.Document.Host.Name != "first" || !k.BegunAt.Equal(noon) {
		t.Fatalf("got %+v, %v", k, err)
	}
	if _, err := f.Open("b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another gate: %v", err)
	}
	if err := begin(t, f, "a", "second", false); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("begun twice: %v", err)
	}
	if k, _ := f.Open("a"); k.Document.Host.Name != "first" {
		t.Errorf("a begin that was refused has changed the gate: %s", k.Document.Host.Name)
	}
	if err := begin(t, f, "a", "third", true); err != nil {
		t.Errorf("replaced: %v", err)
	}
	if k, err = f.Open("a"); err != nil || k.Document.Host.Name != "third" {
		t.Errorf("replaced: %+v, %v", k, err)
	}
	if err := f.End("a"); err != nil {
		t.Fatal(err)
	}
	if _, err = f.Open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its end: %v", err)
	}
	if err := begin(t, f, "a", "fourth", false); err != nil {
		t.Errorf("begun after its end: %v", err)
	}
	if info, err := os.Stat(f.path("a", ".json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
}

// TestUnusable has gates that say nothing about a change now. Each can be begun again.
func TestUnusable(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *Folder, now *time.Time) error
		want  string
	}{
		"of last week":   {func(_ *Folder, now *time.Time) error { *now = noon.Add(7 * 24 * time.Hour); return nil }, "which is more than 24h"},
		"of the future":  {func(_ *Folder, now *time.Time) error { *now = noon.Add(-time.Hour); return nil }, "a clock is wrong"},
		"before a boot":  {func(f *Folder, _ *time.Time) error { f.Boot = "two"; return nil }, "before this boot"},
		"of another one": {func(f *Folder, _ *time.Time) error { f.UID++; return nil }, "of another account"},
		"cut":            {func(f *Folder, _ *time.Time) error { return os.Truncate(f.path("a", ".json"), 50) }, "cannot be read"},
		"empty":          {func(f *Folder, _ *time.Time) error { return os.Truncate(f.path("a", ".json"), 0) }, "cannot be read"},
		"too large":      {func(f *Folder, _ *time.Time) error { return os.Truncate(f.path("a", ".json"), maxKept+1) }, "cannot be read"},
		"no document": {func(f *Folder, now *time.Time) error {
			return f.write("a", Kept{UID: f.UID, Boot: f.Boot, BegunAt: *now})
		}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			f, now := folder(t)
			if err := errors.Join(begin(t, f, "a", "first", false), c.spoil(f, now)); err != nil {
				t.Fatal(err)
			}
			_, err := f.Open("a")
			unusable := (*UnusableError)(nil)
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "stackpolicy gate begin") {
				t.Errorf("got %v, want %q and what to do", err, c.want)
			}
			if err := begin(t, f, "a", "second", false); err != nil {
				t.Errorf("begun again: %v", err)
			}
		})
	}
}

func TestLockOfAGate(t *testing.T) {
	f, _ := folder(t)
	release, err := f.Lock("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock("a"); err == nil || !strings.Contains(err.Error(), "another --name") {
		t.Errorf("two commands on one gate: %v", err)
	}
	if other, err := f.Lock("b"); err != nil {
		t.Errorf("another gate: %v", err)
	} else {
		other()
	}
	release()
	if release, err = f.Lock("a"); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		release()
	}
	for _, name := range []string{"", "../a", "a/b", ".a", "a b", strings.Repeat("a", 65)} {
		if _, err := f.Lock(name); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(f.StateHome, "*")); err != nil || len(left) != 1 {
		t.Errorf("in the state folder: %q, %v", left, err)
	}
}

func TestBootID(t *testing.T) {
	if id, err := BootID(); err != nil || len(id) != 36 {
		t.Errorf("got %q, %v", id, err)
	}
}
