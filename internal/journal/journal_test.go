package journal

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	socket = "/run/systemd/journal/socket"
	inside = "JOURNAL_TEST_INSIDE" // set in the process that has a /run of its own
	id     = "0123456789abcdef0123456789abcdef"
)

func TestSend(t *testing.T) {
	if !ownRun(t) {
		return
	}
	journal := listen(t)
	long := strings.Repeat("é", maxText)
	tests := map[string]struct {
		entry Entry
		want  map[string]string
	}{
		"least": {Entry{}, map[string]string{"MESSAGE": "", "PRIORITY": "0"}},
		"most": {Entry{MessageID: id, Priority: Error, Message: "web is down", UserUnit: "web.service", Fields: map[string]string{"stack": "web"}},
			map[string]string{"MESSAGE_ID": id, "PRIORITY": "3", "MESSAGE": "web is down", "USER_UNIT": "web.service", "STACK": "web"}},
		"hostile": {Entry{Priority: Info, Message: "a\nPRIORITY=0\n\x1b[2J=\t\u009b\u202e\u200b é", UserUnit: "x\nMESSAGE=y", Fields: map[string]string{"F1_": "\x00\xff\n"}},
			map[string]string{"PRIORITY": "6", "MESSAGE": "a\nPRIORITY=0\n\\x1b[2J=\t\\u009b\\u202e\\u200b é", "USER_UNIT": "x\nMESSAGE=y", "F1_": "\\x00\uFFFD\n"}},
		"at limit": {Entry{Message: long[:maxText]}, map[string]string{"PRIORITY": "0", "MESSAGE": long[:maxText]}},
		"long":     {Entry{Message: "x" + long}, map[string]string{"PRIORITY": "0", "MESSAGE": "x" + long[:maxText-len(cutMark)-2] + cutMark}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := Send(test.entry); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, receive(t, journal)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSendTheLargest(t *testing.T) {
	if !ownRun(t) {
		return
	}
	journal := listen(t)
	text := strings.Repeat("\n", maxText)
	fields := map[string]string{}
	for i := range maxFields {
		fields[fmt.Sprintf("N%063d", i)] = text
	}
	entry := Entry{MessageID: id, Message: text, UserUnit: text, Fields: fields}
	if err := Send(entry); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, journal); len(got) != maxFields+4 {
		t.Errorf("got %d fields, want %d", len(got), maxFields+4)
	}
}

func TestSendWithoutAJournal(t *testing.T) {
	if !ownRun(t) {
		return
	}
	if err := Send(Entry{Message: "x"}); !errors.Is(err, ErrNoJournal) {
		t.Errorf("no socket: got error %v, want ErrNoJournal", err)
	}
	listen(t).Close()
	if err := Send(Entry{Message: "x"}); !errors.Is(err, ErrNoJournal) {
		t.Errorf("stale socket: got error %v, want ErrNoJournal", err)
	}
}

func TestSendToAJournalThatHangs(t *testing.T) {
	if !ownRun(t) {
		return
	}
	listen(t)
	for range 100_000 {
		begun := time.Now()
		err := Send(Entry{Message: "x"})
		if took := time.Since(begun); took > 5*limit {
			t.Fatalf("took %v under a limit of %v", took, limit)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "accepted nothing") || errors.Is(err, ErrNoJournal) {
				t.Errorf("got error %v", err)
			}
			return
		}
	}
	t.Error("a socket that nobody reads accepted everything")
}

// ownRun runs the test again in a process whose /run is empty, and reports whether
// this is that process. The library has one fixed path for the journal's socket.
func ownRun(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inside+"=yes")
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		again.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := again.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL): // EINVAL: "/" is no mount, as in a chroot
		t.Skipf("no namespaces can be made here: %v", err)
	case err != nil:
		t.Errorf("in a process with a /run of its own: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("the process with a /run of its own ran no test:\n%s", out)
	}
	return false
}

func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	journal, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	return journal
}
