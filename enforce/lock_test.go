package enforce

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func lockPath(dir string) string { return filepath.Join(dir, "stackpolicy", "audit.lock") }

func TestLock(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, now)
	for _, says := range []string{fmt.Sprintf("process %d", os.Getpid()), "since 2026-03-01T02:00:00Z"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the second holder got %v, want it to name %q", err, says)
		}
	}
	release()
	again, err := Lock(dir, now)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	again()
}

func TestLockIsForItsUserAlone(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for path, mode := range map[string]os.FileMode{filepath.Dir(lockPath(dir)): 0o700, lockPath(dir): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode().Perm(), err)
		}
	}
}

// TestAStaleFileIsNoLock, whatever it contains.
func TestAStaleFileIsNoLock(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(lockPath(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lockPath(dir), []byte("process 4242 since a longer time ago than one would think\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	got, err := os.ReadFile(lockPath(dir))
	if want := fmt.Sprintf("process %d since 2026-03-01T02:00:00Z\n", os.Getpid()); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(lockPath(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, lockPath(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir, now); err == nil {
		t.Error("the link was followed")
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != "precious" {
		t.Errorf("the link's target holds %q, %v", got, err)
	}
}

func TestLockNeedsItsFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(file, now); err == nil || !strings.Contains(err.Error(), "make a folder") {
		t.Errorf("got %v", err)
	}
}

// holder is a variable with the folder in which the other process of
// TestLockEndsWithItsProcess locks.
const holder = "STACKPOLICY_TEST_HOLDER"

// TestLockEndsWithItsProcess: after a process was killed its lock is free.
func TestLockEndsWithItsProcess(t *testing.T) {
	if dir := os.Getenv(holder); dir != "" {
		if _, err := Lock(dir, now); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), holder+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has locked
		t.Fatal(err)
	}
	if _, err := Lock(dir, now); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) {
		t.Errorf("got %v, want it to name process %d", err, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, so it is an error
	release, err := Lock(dir, now)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	release()
}
