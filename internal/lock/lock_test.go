package lock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "lock")
	if err := Free(path); err != nil {
		t.Errorf("a lock that nobody ever took: %v", err)
	}
	release, err := Take(path, noon)
	if err != nil {
		t.Fatal(err)
	}
	const since = " since 2026-03-01T12:00:00Z"
	for name, try := range map[string]func() error{
		"Free": func() error { return Free(path) },
		"Take": func() error { _, err := Take(path, noon); return err },
	} {
		var held *HeldError
		if err := try(); !errors.As(err, &held) || !strings.HasSuffix(held.Holder, since) {
			t.Errorf("%s while it is held: got %v, want a holder%s", name, err, since)
		}
	}
	release()
	if err := Free(path); err != nil {
		t.Errorf("after its release: %v", err)
	}
}

func TestTakeRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(syscall.Mkfifo(at("fifo"), 0o600), os.Symlink(at("target"), at("link")), os.Mkdir(at("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"fifo": nil, "link": syscall.ELOOP, "folder": nil, "none/at/all": fs.ErrNotExist,
	} {
		start := time.Now()
		if _, err := Take(at(name), noon); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want an error", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// In a shared folder others may make the lock's folder first, as a link to one of this
// account, or of their own.
func TestAFolderOfOthers(t *testing.T) {
	shared, own := t.TempDir(), t.TempDir()
	if err := os.Symlink(own, filepath.Join(shared, "stackpolicy")); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(filepath.Join(shared, "stackpolicy", "lock"), noon); err == nil || !strings.Contains(err.Error(), "no folder of this account") {
		t.Errorf("a link: %v", err)
	}
	if left, _ := os.ReadDir(own); len(left) > 0 {
		t.Errorf("the link was followed: %v", left)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a folder of another account")
	}
	if err := errors.Join(os.Mkdir(filepath.Join(shared, "other"), 0o777), os.Chown(filepath.Join(shared, "other"), 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(filepath.Join(shared, "other", "lock"), noon); err == nil || !strings.Contains(err.Error(), "no folder of this account") {
		t.Errorf("a folder of another account: %v", err)
	}
}
