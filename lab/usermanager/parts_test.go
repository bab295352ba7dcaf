package usermanager

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocateCgroup(t *testing.T) {
	const (
		unified = "29 23 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "30 29 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"31 29 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
		part = "29 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	)
	tests := map[string]struct {
		mounts, own string
		want        string // "" is an error
	}{
		"unified":             {unified, "0::/user.slice/x.scope\n", "/sys/fs/cgroup/user.slice/x.scope"},
		"hybrid":              {hybrid, "4:memory:/other\n0::/\n", "/sys/fs/cgroup/unified"},
		"part of a hierarchy": {part, "0::/docker/1/x\n", "/sys/fs/cgroup/x"},
		"another part":        {part, "0::/docker/12\n", ""},
		"legacy":              {"", "4:memory:/\n", ""},
		"not mounted":         {"", "0::/\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := locateCgroup(test.mounts, test.own)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestParseEntry(t *testing.T) {
	tests := map[string]struct {
		datagram string
		want     map[string]string
	}{
		"lines":      {"MESSAGE=a=b\nPRIORITY=6\n", map[string]string{"MESSAGE": "a=b", "PRIORITY": "6"}},
		"line break": {"MESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\nPRIORITY=6\n", map[string]string{"MESSAGE": "a\nb", "PRIORITY": "6"}},
		"cut off":    {"PRIORITY=6\nMESSAGE\n\xff\x00\x00\x00\x00\x00\x00\x00a", map[string]string{"PRIORITY": "6"}},
		"no length":  {"MESSAGE\nabc", map[string]string{}},
		"empty":      {"", map[string]string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseEntry([]byte(test.datagram))); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	parent := shortTempDir(t)
	living, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dead.dir, "nix/store/x"), "")
	dead.owner.Close() // as the kernel does for a process that ends
	unclaimed := filepath.Join(parent, scratchPrefix+"unclaimed")
	if err := os.Mkdir(unclaimed, 0o755); err != nil {
		t.Fatal(err)
	}

	sweep(parent)
	if _, err := os.Lstat(dead.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead owner's folder stays: %v", err)
	}
	for _, dir := range []string{living.dir, unclaimed} {
		if _, err := os.Lstat(dir); err != nil {
			t.Errorf("swept too much: %v", err)
		}
	}
	if err := living.remove(); err != nil {
		t.Error(err)
	}
}

func TestLongScratchPath(t *testing.T) {
	parent := filepath.Join(shortTempDir(t), strings.Repeat("x", maxScratchPath))
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := newScratch(parent)
	if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("a path too long for sockets: %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAvailableSaysWhy(t *testing.T) {
	empty := t.TempDir()
	if err := Available(Options{Root: empty}); err == nil || !strings.Contains(err.Error(), "no systemd in") {
		t.Errorf("an empty root: %v", err)
	}
	write(t, filepath.Join(empty, "usr/lib/systemd/systemd"), "")
	if err := Available(Options{Root: empty}); err == nil || !strings.Contains(err.Error(), "dbus-user-session") {
		t.Errorf("a root without a bus: %v", err)
	}
}
