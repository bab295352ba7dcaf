package debian

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pretended is a cache that counts how often it makes a root, which is only a folder
// with a stamp.
func pretended(t *testing.T, made *atomic.Int32) cache {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	return cache{dir: dir, log: io.Discard, make: func(_ context.Context, suite, dir string, _ io.Writer) error {
		made.Add(1)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, stampFile), []byte(stampOf(suite)), 0o644)
	}}
}

func TestCacheMakesOnce(t *testing.T) {
	var made atomic.Int32
	c := pretended(t, &made)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			dir, err := c.root(t.Context(), Trixie)
			if err != nil || dir != c.path(Trixie) || !c.has(Trixie) {
				t.Errorf("got %q, %v", dir, err)
			}
		})
	}
	group.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

func TestCacheReplacesAnOutdatedRoot(t *testing.T) {
	var made atomic.Int32
	c := pretended(t, &made)
	old := c.path(Trixie)
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{stampFile: "trixie other packages\n", "leftover": ""} {
		if err := os.WriteFile(filepath.Join(old, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.root(t.Context(), Trixie); err != nil || made.Load() != 1 {
		t.Fatalf("made %d times, %v", made.Load(), err)
	}
	if _, err := os.Stat(filepath.Join(old, "leftover")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the outdated root is left: %v", err)
	}
}

func TestCacheRefuses(t *testing.T) {
	tests := map[string]struct {
		suite   string
		prepare func(dir string) error
	}{
		"a suite that is a path":  {"../trixie", nil},
		"a folder all write to":   {Trixie, func(dir string) error { return errors.Join(os.Mkdir(dir, 0), os.Chmod(dir, 0o777)) }},
		"a link":                  {Trixie, func(dir string) error { return os.Symlink(t.TempDir(), dir) }},
		"someone else's folder":   {Trixie, func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 12345, 12345)) }},
		"a file in the way of it": {Trixie, func(dir string) error { return os.WriteFile(dir, nil, 0o644) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var made atomic.Int32
			c := pretended(t, &made)
			if test.prepare != nil {
				if err := test.prepare(c.dir); errors.Is(err, os.ErrPermission) {
					t.Skip("only root gives folders away")
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if dir, err := c.root(t.Context(), test.suite); err == nil || made.Load() > 0 {
				t.Errorf("got %q, made %d times", dir, made.Load())
			}
		})
	}
}

func TestCacheWaitsNoLongerThanAllowed(t *testing.T) {
	var made atomic.Int32
	c := pretended(t, &made)
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), c.path(Trixie)+lockSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.root(ctx, Trixie); !errors.Is(err, context.DeadlineExceeded) || made.Load() > 0 {
		t.Errorf("got %v, made %d times", err, made.Load())
	}
}

func TestAvailable(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if Available("no/suite") == nil {
		t.Error("a bad suite is available")
	}
	if Available(Trixie) == nil {
		t.Error("without mmdebstrap and a cached root, one is available")
	}
	dir := filepath.Join(os.Getenv(cacheVariable), Trixie)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, stampFile), []byte(stampOf(Trixie)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Available(Trixie); err != nil {
		t.Errorf("a cached root is not available: %v", err)
	}
}
