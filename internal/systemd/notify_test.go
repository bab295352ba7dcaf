package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNotifyStatus(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	long := strings.Repeat("ü", maxStatus)
	for status, want := range map[string]string{"failed: app\nexited": "STATUS=failed: app exited", long: "STATUS=" + long[:maxStatus]} {
		if err := NotifyStatus(socket, status); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2*maxStatus)
		if err := manager.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := manager.Read(got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("got %q, %v; want %q", got[:n], err, want)
		}
	}
}

func TestNotifyNobody(t *testing.T) {
	if err := NotifyStatus("", "failed"); err != nil {
		t.Error(err)
	}
	if err := NotifyStatus(filepath.Join(t.TempDir(), "none"), "failed"); err == nil {
		t.Error("no error although nobody listens")
	}
}
