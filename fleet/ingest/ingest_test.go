package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/streams"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
	"stackpolicy/lab/debian"
	"stackpolicy/lab/hub"
)

func send(t *testing.T, x *hub.Host) courier.Result {
	t.Helper()
	r, err := courier.Send(t.Context(), x.Options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sourceOf(t *testing.T, h *hub.Hub, x *hub.Host) overview.Source {
	t.Helper()
	a := archive.OpenReadOnly(h.Data, h.Keys.Registry.Public())
	defer a.Close()
	all, err := a.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Source == x.Source {
			return s
		}
	}
	return overview.Source{}
}

// What a host sends is in the archive within seconds, and the host then forgets it: its next
// envelope comes after a watermark.
func TestRun(t *testing.T) {
	h := hub.New(t)
	h.StartArchiver()
	at := time.Now()
	web := h.Enroll("web", "alice", at)
	web.Audit(at, "a", "exited")
	if r := send(t, web); r.Sent != 1 || r.IsBacklog {
		t.Errorf("%+v", r)
	}
	if r := send(t, web); r.Sent != 0 {
		t.Errorf("sent again: %+v", r)
	}
	if err := h.Await(10*time.Second, web); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h.Read(web.Store), h.Memory(web)); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
	if s := sourceOf(t, h, web); s.Beat.ExitCode != 2 || len(s.Findings) != 1 || s.Received.IsZero() {
		t.Errorf("%+v", s)
	}
}

// Behind a backlog the newest state is there first, and the rest follows over some calls.
func TestBacklog(t *testing.T) {
	debian.InTime(t)
	h := hub.New(t)
	at := time.Now().Add(-30 * 24 * time.Hour)
	web := h.Enroll("web", "alice", at)
	for i := range 1400 {
		at = at.Add(30 * time.Minute)
		web.Audit(at, fmt.Sprint("s", i), []string{"exited"}[:i%2]...)
	}
	h.StartArchiver()
	first, err := web.Store.LastAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for calls, more := 0, true; more; calls++ {
		if calls > 20 {
			t.Fatal("it does not end")
		}
		more = send(t, web).IsBacklog
		if calls == 0 {
			awaitBeat(t, h, web, first.To)
		}
	}
	if err := h.Await(20*time.Second, web); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h.Read(web.Store).Audits, h.Memory(web).Audits); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
}

func awaitBeat(t *testing.T, h *hub.Hub, x *hub.Host, audited time.Time) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if sourceOf(t, h, x).Beat.Audited.Equal(audited) {
			return
		}
	}
	t.Errorf("the newest beat is of %s, not %s", sourceOf(t, h, x).Beat.Audited, audited)
}

// Whatever is stopped and deleted meanwhile: in the end the hub remembers what the hosts do,
// nothing is missing and nothing is there twice.
func TestChaos(t *testing.T) {
	debian.InTime(t)
	h := hub.New(t)
	h.StartArchiver()
	begin := time.Now().Add(-24 * time.Hour)
	r := rand.New(rand.NewPCG(7, 7))
	hosts := []*hub.Host{h.Enroll("web", "alice", begin), h.Enroll("web", "bob", begin), h.Enroll("db", "alice", begin)}
	for i := range 60 {
		at := begin.Add(time.Duration(i) * 20 * time.Minute)
		for _, x := range hosts {
			x.Audit(at, fmt.Sprint("s", r.IntN(5)), []string{"exited", "missing"}[:r.IntN(3)]...)
			if _, err := courier.Send(t.Context(), x.Options); err != nil {
				t.Logf("%d: %v", i, err)
			}
		}
		disturb(t, h, r.IntN(12))
	}
	h.StartBroker()
	h.StopArchiver()
	h.StartArchiver()
	for i := range 30 { // what the broker lost is sent again within an hour
		for _, x := range hosts {
			x.Audit(begin.Add(time.Duration(60+3*i)*20*time.Minute), "end")
			if _, err := courier.Send(t.Context(), x.Options); err != nil {
				t.Log(err)
			}
		}
		if h.Await(2*time.Second, hosts...) == nil && isSame(h, hosts) {
			break
		}
	}
	if err := h.Await(5*time.Second, hosts...); err != nil {
		t.Fatal(err)
	}
	for _, x := range hosts {
		if d := cmp.Diff(h.Read(x.Store), h.Memory(x)); d != "" {
			t.Errorf("%s: -host +hub\n%s", x.Source.Host, d)
		}
	}
}

// isSame reports whether the hub remembers what the hosts do.
func isSame(h *hub.Hub, hosts []*hub.Host) bool {
	for _, x := range hosts {
		if !cmp.Equal(h.Read(x.Store), h.Memory(x)) {
			return false
		}
	}
	return true
}

// disturb does one of several bad things, or nothing.
func disturb(t *testing.T, h *hub.Hub, which int) {
	t.Helper()
	switch which {
	case 0:
		h.StopBroker()
	case 1, 2:
		h.StartBroker()
	case 3:
		h.StopArchiver()
	case 4, 5:
		h.StopArchiver()
		h.StartArchiver()
	case 6:
		deleteStream(t, h, streams.Evidence)
	case 7:
		deleteStream(t, h, streams.Fleet)
	}
}

func deleteStream(t *testing.T, h *hub.Hub, name string) {
	t.Helper()
	h.StartBroker()
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	if err == nil {
		err = js.DeleteStream(context.WithoutCancel(t.Context()), name)
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Fatal(err)
	}
}

// While the archive's disk is full nothing is acknowledged, and nothing is damaged. With space again
// all is there.
func TestTheArchivesDiskIsFull(t *testing.T) {
	h := hub.New(t)
	dir := archive.Path(h.Data)
	small(t, dir)
	h.StartArchiver()
	at := time.Now()
	web, db := h.Enroll("web", "alice", at), h.Enroll("db", "alice", at)
	web.Audit(at, "a", "exited")
	send(t, web)
	if err := h.Await(10*time.Second, web); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 16<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for i := range 3 {
		at = at.Add(time.Minute)
		for _, x := range []*hub.Host{web, db} {
			x.Audit(at, fmt.Sprint("full", i))
			send(t, x)
		}
	}
	if err := h.Await(3*time.Second, web, db); err == nil {
		t.Error("all is there, on a disk that is full")
	}
	if n := waiting(t, h); n == 0 {
		t.Error("the broker has nothing any more")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := h.Await(40*time.Second, web, db); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*hub.Host{web, db} {
		if d := cmp.Diff(h.Read(x.Store), h.Memory(x)); d != "" {
			t.Errorf("%s: -host +hub\n%s", x.Source.Host, d)
		}
	}
	aside, err := filepath.Glob(filepath.Join(dir, "*damaged*"))
	if broken, err2 := filepath.Glob(filepath.Join(dir, "*broken*")); err != nil || err2 != nil || len(aside)+len(broken) > 0 {
		t.Errorf("set aside: %v %v, %v, %v", aside, broken, err, err2)
	}
}

// small mounts a disk of four megabytes, which is too small for shards that no host needs.
func small(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=700"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// waiting returns how many envelopes are at the broker.
func waiting(t *testing.T, h *hub.Hub) uint64 {
	t.Helper()
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), streams.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// A stream of the version that had it as a work queue is replaced. What waited in it comes again.
func TestAWorkQueueIsReplaced(t *testing.T) {
	h := hub.New(t)
	deleteStream(t, h, streams.Evidence)
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	if err == nil {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: streams.Evidence, Subjects: []string{"evidence.*.*.*"}, Retention: jetstream.WorkQueuePolicy})
	}
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	web := h.Enroll("web", "alice", at)
	web.Audit(at, "a")
	send(t, web)
	h.StartArchiver()
	for range 10 { // a host looks after an hour whether it is there
		at = at.Add(31 * time.Minute)
		web.Audit(at, "b")
		if _, err := courier.Send(t.Context(), web.Options); err != nil {
			t.Log(err) // the stream is being made
		}
		if h.Await(2*time.Second, web) == nil {
			break
		}
	}
	if d := cmp.Diff(h.Read(web.Store), h.Memory(web)); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
}

// Beside a new archive, because the old one was put away, hosts send again all that they remember.
// What the old one had is shown as missing.
func TestANewArchive(t *testing.T) {
	h := hub.New(t)
	h.StartArchiver()
	at := time.Now().Add(-time.Hour)
	web := h.Enroll("web", "alice", at)
	for i := range 5 {
		at = at.Add(time.Minute)
		web.Audit(at, fmt.Sprint(i), "exited")
		send(t, web)
		if err := h.Await(10*time.Second, web); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1500 * time.Millisecond) // the watermark
	at = at.Add(time.Minute)
	web.Audit(at, "acknowledged")
	send(t, web)
	h.StopArchiver()
	if err := os.Rename(archive.Path(h.Data), filepath.Join(h.Data, "archive-old")); err != nil {
		t.Fatal(err)
	}
	h.StartArchiver()
	var s overview.Source
	for end := time.Now().Add(20 * time.Second); s.Applied == 0 || s.Applied < s.Newest; s = sourceOf(t, h, web) {
		if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
		time.Sleep(100 * time.Millisecond)
		at = at.Add(time.Minute)
		web.Audit(at, fmt.Sprint("new", at.Minute()))
		if _, err := courier.Send(t.Context(), web.Options); err != nil {
			t.Log(err)
		}
	}
	if len(s.Missing) != 1 || s.Missing[0].From != 1 || s.Missing[0].To < 5 {
		t.Errorf("missing: %v", s.Missing)
	}
	got, want := h.Memory(web), h.Read(web.Store)
	if d := cmp.Diff(want.Findings, got.Findings); d != "" || len(got.Audits) < 6 {
		t.Errorf("%d audits; findings: -host +hub\n%s", len(got.Audits), d)
	}
	for _, a := range want.Audits {
		if a.To.Before(at.Add(-time.Minute)) && !slices.ContainsFunc(got.Audits, func(b history.AuditSpan) bool { return cmp.Equal(a, b) }) {
			t.Errorf("the hub lacks the audit of %s", a.To)
		}
	}
}

// A chain that was changed on the disk does not delay the memories of the others.
func TestABrokenChainDelaysNobody(t *testing.T) {
	h := hub.New(t)
	h.StartArchiver()
	at := time.Now()
	web, db := h.Enroll("web", "alice", at), h.Enroll("db", "alice", at)
	for _, x := range []*hub.Host{web, db} {
		x.Audit(at, "a")
		send(t, x)
	}
	if err := h.Await(20*time.Second, web, db); err != nil {
		t.Fatal(err)
	}
	h.StopArchiver()
	breakChain(t, h, "evidence.home.web.alice")
	h.StartArchiver()
	began := time.Now()
	for i := range 5 { // an archiver that waits after each error needs 14 seconds for five
		at = at.Add(time.Minute)
		db.Audit(at, fmt.Sprint("b", i))
		send(t, db)
		if err := h.Await(20*time.Second, db); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("five envelopes of another host took %s", took)
	}
}

// breakChain changes an envelope in the archive, and takes it for one that is in no memory yet.
func breakChain(t *testing.T, h *hub.Hub, subject string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(archive.Path(h.Data), "shard-*.db"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		d, err := sqlite.Open(t.Context(), path, false, func(context.Context, *sqlite.DB) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = d.Update(t.Context(), func(tx sqlite.Tx) error {
			var tables int
			if err := tx.One("SELECT count(*) FROM sqlite_schema WHERE name = 'chains'").Scan(&tables); err != nil || tables == 0 {
				return err // nobody is in this shard
			}
			return errors.Join(
				tx.Do("UPDATE envelopes SET sealed = x'00' WHERE chain IN (SELECT id FROM chains WHERE subject = ?)", subject),
				tx.Do("UPDATE chains SET applied = 0 WHERE subject = ?", subject))
		})
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
