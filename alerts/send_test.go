package alerts

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/finding"
)

// newPair returns a house whose audits leave alerts over the network to [Send], with a
// sink of the machine and one of the network.
func newPair(t *testing.T) (h *house, local, remote *fake) {
	t.Helper()
	local, remote = &fake{name: "local"}, &fake{name: "remote"}
	far := route(remote, "ticket")
	far.Network = true
	h = newHouse(t, route(local, "ticket"), far)
	h.spool = SpoolPath(t.TempDir())
	return h, local, remote
}

// send sends what was left, and compares its notices.
func (h *house) send(step string, want ...string) {
	h.t.Helper()
	wantNotices(h.t, step, Send(h.t.Context(), h.options()), want...)
}

func wantNotices(t *testing.T, step string, got []Notice, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.Contains(got[i].String(), want[i])
	}
	if !ok {
		t.Errorf("%s: notices %q, want %q", step, got, want)
	}
}

const paged = "firing stack_running web.service page"

// An audit with a spool sends to the machine at once, and nothing over the network.
func TestAlertsAreLeftToSend(t *testing.T) {
	h, local, remote := newPair(t)
	wantNotices(t, "it appears", h.audit(down("page")))
	local.wasSent(t, "by the audit", paged)
	remote.wasSent(t, "by the audit")
	for left, want := range map[time.Time]int{h.now: 0, {}: 1} {
		if n, err := Waiting(t.Context(), h.store, h.now, left); err != nil || n["remote"] != want {
			t.Errorf("waiting: %v, %v; want %d", n, err, want)
		}
	}
	h.send("first")
	remote.wasSent(t, "first", paged)
	h.send("again")
	local.wasSent(t, "not by Send")
	remote.wasSent(t, "again")
	h.audit()
	h.audit()
	h.send("gone")
	remote.wasSent(t, "gone", "resolved stack_running web.service page")
}

// A sink that is down is named each time, is tried again after a minute, and is sent each
// alert once.
func TestSendTriesAgain(t *testing.T) {
	h, _, remote := newPair(t)
	remote.err = errSilent
	h.audit(down("page"))
	h.send("down", "alerts to remote: connection refused; 1 wait")
	remote.err = nil
	h.send("too early", "alerts to remote: connection refused; tried again after 2026-03-01T12:11:00Z")
	remote.wasSent(t, "too early")
	h.audit(down("page"))
	remote.wasSent(t, "by the next audit")
	h.send("up")
	remote.wasSent(t, "up", paged)
	h.send("again")
	remote.wasSent(t, "again")
}

// Messages that nobody sends are named by the audits, and a try that failed is not.
func TestNobodySends(t *testing.T) {
	h, _, remote := newPair(t)
	remote.err = errSilent
	h.audit(down("page"))
	h.send("down", "connection refused")
	for range 3 {
		wantNotices(t, "half an hour", h.audit(down("page")))
	}
	wantNotices(t, "later", h.audit(down("page")), "alerts to remote: 1 wait, and none was tried since 2026-03-01T12:11:00Z: see systemctl --user status stackpolicy-alerts.service")
}

// Without a memory each audit leaves all open findings, which are tried once.
func TestSpool(t *testing.T) {
	h, local, remote := newPair(t)
	audit := func(found ...finding.Finding) {
		t.Helper()
		wantNotices(t, "audit", RunWithoutMemory(t.Context(), h.options(), found))
	}
	audit(down("page"))
	local.wasSent(t, "by the audit", paged)
	remote.wasSent(t, "by the audit")
	if info, err := os.Stat(h.spool); err != nil || info.Mode() != 0o600 {
		t.Errorf("the spool: %v, %v", info, err)
	}
	o := h.options()
	o.Outbox = nil
	wantNotices(t, "without a history", Send(t.Context(), o))
	remote.wasSent(t, "without a history", paged)
	h.send("again")
	remote.wasSent(t, "again")

	remote.err = errSilent
	audit(down("page"))
	h.send("down", "alerts to remote: connection refused; 1 not sent")
	remote.err = nil
	h.send("it is the next audit's")
	remote.wasSent(t, "it is the next audit's")

	audit(down("page"))
	audit()
	h.send("nothing is open")
	remote.wasSent(t, "nothing is open")
	audit(down("page"))
	h.audit()
	h.send("the memory is back, and the finding is gone")
	remote.wasSent(t, "the memory is back, and the finding is gone")
}

// What is not a spool of this account is refused, at once and aloud.
func TestSpoolIsRefused(t *testing.T) {
	write := func(mode fs.FileMode, text []byte) func(string) error {
		return func(path string) error {
			return errors.Join(os.WriteFile(path, text, 0o600), os.Chmod(path, mode))
		}
	}
	alert := []byte(`{"sink":"remote","alert":{"kind":"firing","invariant":"stack_running","subject":"web.service","severity":"page"}}` + "\n")
	for name, c := range map[string]struct {
		plant func(path string) error
		want  string
		sent  []string
	}{
		"a FIFO":           {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "not a regular file", nil},
		"a folder":         {func(p string) error { return os.Mkdir(p, 0o700) }, "not a regular file", nil},
		"a link":           {func(p string) error { return errors.Join(write(0o600, alert)(p+".x"), os.Symlink(p+".x", p)) }, "too many levels of symbolic links", nil},
		"open to others":   {write(0o620, alert), "others may have written it", nil},
		"large":            {write(0o600, make([]byte, maxSpool+1)), "larger than 8 MiB", nil},
		"damaged":          {write(0o600, append(bytes.Clone(alert), "{"...)), "decode an alert", []string{paged}},
		"of another owner": {func(p string) error { return errors.Join(write(0o600, alert)(p), os.Chown(p, 65534, 65534)) }, "others may have written it", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h, _, remote := newPair(t)
			if name == "of another owner" && os.Geteuid() != 0 {
				t.Skip("only root can make a file of another account")
			}
			if err := errors.Join(os.Mkdir(filepath.Dir(h.spool), 0o700), c.plant(h.spool)); err != nil {
				t.Fatal(err)
			}
			h.send(name, c.want)
			remote.wasSent(t, name, c.sent...)
		})
	}
}

// A spool has a limit, and what it has no place for is an error.
func TestSpoolIsBounded(t *testing.T) {
	h, _, remote := newPair(t)
	large := down("page")
	large.Message = strings.Repeat("<", maxMessage) // each becomes six bytes
	found := make([]finding.Finding, 1000)
	for i := range found {
		found[i] = large
	}
	wantNotices(t, "audit", RunWithoutMemory(t.Context(), h.options(), found), "alerts are not sent in this audit: more than 8 MiB")
	h.send("the others")
	if n := len(remote.sent); n < 100 || n >= len(found) {
		t.Errorf("%d were sent", n)
	}
}

// unready is a sink whose secret is missing.
type unready struct {
	*fake
	missing error
}

func (u *unready) Check() error { return u.missing }

// While a secret is missing nothing is tried, so that there is no wait when it is there.
func TestSecretIsMissing(t *testing.T) {
	h, _, remote := newPair(t)
	u := &unready{remote, errors.New("the credential is not loaded")}
	h.routes[1].Sink = u
	h.send("nothing waits")
	h.audit(down("page"))
	h.send("missing", "alerts to remote: the credential is not loaded; 1 wait")
	h.send("still missing", "alerts to remote: the credential is not loaded; 1 wait")
	u.missing = nil
	h.send("there")
	remote.wasSent(t, "there", paged)
}
