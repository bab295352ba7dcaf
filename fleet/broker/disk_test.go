package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// small puts the streams of a hub on a disk of two megabytes, and starts it again.
func (h *hub) small() (dir string) {
	h.t.Helper()
	if os.Geteuid() != 0 {
		h.t.Skip("only root can mount a small disk")
	}
	h.own.Close()
	h.broker.Stop()
	dir = filepath.Join(h.data, "jetstream")
	saved := filepath.Join(h.t.TempDir(), "saved")
	if err := os.Rename(dir, saved); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=700"); err != nil {
		h.t.Skipf("no small disk can be mounted here: %v", err)
	}
	h.t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			h.t.Error(err)
		}
	})
	if err := os.CopyFS(dir, os.DirFS(saved)); err != nil {
		h.t.Fatal(err)
	}
	h.start()
	return dir
}

// fill sends evidence until it is not acknowledged, and returns how many are.
func (h *hub) fill(c *nats.Conn) (acknowledged uint64, why error) {
	h.t.Helper()
	for range 40 {
		m, err := c.Request("evidence.home.web.alice", make([]byte, 100_000), 500*time.Millisecond)
		if err == nil && strings.Contains(string(m.Data), "error") {
			err = errors.New(string(m.Data))
		}
		if err != nil {
			return acknowledged, err
		}
		acknowledged++
	}
	h.t.Fatal("the disk does not fill up")
	return 0, nil
}

// What does not fit on the disk is not acknowledged. A broker leaves a quarter of the disk free.
// If others fill it all, the broker says so and ends; started again it has what it acknowledged,
// and takes more when there is space.
func TestAFullDisk(t *testing.T) {
	h := newHub(t)
	dir := h.small()
	web := h.host("web")
	c, _ := h.connect(web)
	first, why := h.fill(c)
	if !strings.Contains(why.Error(), "insufficient resources") || h.count("EVIDENCE", ">") != first {
		t.Errorf("%d acknowledged, %d kept: %v", first, h.count("EVIDENCE", ">"), why)
	}
	if err := h.drain(); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1_200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	second, _ := h.fill(c)
	select {
	case err := <-h.broker.Ended():
		if !strings.Contains(err.Error(), "cannot write to its disk") {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the broker does not say that it cannot write")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.own.Close()
	h.broker.Stop()
	h.start()
	if n := h.count("EVIDENCE", ">"); n < second {
		t.Errorf("it has %d envelopes, and acknowledged %d", n, second)
	}
	web.link.URLs = []string{h.url}
	c, _ = h.connect(web)
	if _, err := request(t, c, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("x")}); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// drain deletes all envelopes, as the archive does.
func (h *hub) drain() error {
	stream, err := h.js.Stream(h.t.Context(), "EVIDENCE")
	if err != nil {
		return err
	}
	return stream.Purge(h.t.Context())
}
