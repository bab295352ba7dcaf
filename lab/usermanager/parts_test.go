package usermanager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
