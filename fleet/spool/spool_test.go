package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/sqlite"
)

var (
	noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	web  = fleet.Source{Org: "home", Host: "web", User: "alice"}
)

// host is one whose memory and spool are in a temporary folder.
type host struct {
	Host
	home  string
	spool *Spool
	at    time.Time
}

func newHost(t *testing.T) *host {
	t.Helper()
	home := t.TempDir()
	store, err1 := history.Open(t.Context(), home, noon)
	key, err2 := fleet.NewKey()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &host{Host: Host{Source: web, Key: key, Store: store, Boot: "b", Program: "1"}, home: home, at: noon}
	h.open(t)
	return h
}

func (h *host) open(t *testing.T) {
	t.Helper()
	s, err := Open(t.Context(), h.home, web, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h.spool = s
}

// audit records an audit five minutes later, with findings of these cases.
func (h *host) audit(t *testing.T, cases ...string) {
	t.Helper()
	h.at = h.at.Add(5 * time.Minute)
	a := history.Audit{At: h.at, Mode: "observe", PolicyDigest: "sha256:p", Document: &facts.Document{Schema: "s"}}
	for _, c := range cases {
		a.Findings = append(a.Findings, finding.Finding{
			Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: finding.Page,
			Message: c, Evidence: map[string]any{"case": c},
		})
	}
	if _, err := h.Store.Record(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

// seal seals all that is due, as a courier does, and returns what was made.
func (h *host) seal(t *testing.T) (made []fleet.Envelope) {
	t.Helper()
	d, err := h.spool.Draft(t.Context(), h.Host, h.at)
	if err != nil {
		t.Fatal(err)
	}
	for more := d.IsDue; more; {
		var e Envelope
		if e, more, err = h.spool.Seal(t.Context(), h.Host, h.at); err != nil {
			t.Fatal(err)
		}
		made = append(made, h.opened(t, e))
	}
	return made
}

func (h *host) opened(t *testing.T, e Envelope) fleet.Envelope {
	t.Helper()
	subject, err := h.Subject()
	if err != nil {
		t.Fatal(err)
	}
	letter, err := fleet.Open(subject, e.Sealed, h.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

func (h *host) unsent(t *testing.T) (numbers []uint64) {
	t.Helper()
	list, err := h.spool.Unsent(t.Context(), h.at, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		numbers = append(numbers, e.Seq)
	}
	return numbers
}

func (h *host) sent(t *testing.T) {
	t.Helper()
	for _, n := range h.unsent(t) {
		if err := h.spool.Sent(t.Context(), n, h.at); err != nil {
			t.Fatal(err)
		}
	}
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// What is new is sealed at once, what is the same only after a quarter of an hour, and the beat
// says how the host is.
func TestSealWhatIsDue(t *testing.T) {
	h := newHost(t)
	h.audit(t)
	first := h.seal(t)
	want(t, "first", len(first), 1)
	want(t, "with rows", len(first[0].Evidence) > 0, true)
	want(t, "its place", []any{first[0].Seq, first[0].Prev, first[0].Beat.Audits}, []any{1, fleet.Digest{}, 1})
	h.audit(t)
	want(t, "the same again", len(h.seal(t)), 0)
	h.audit(t, "exited")
	second := h.seal(t)
	want(t, "a finding", len(second), 1)
	if b := second[0].Beat; b.Open != (fleet.Counts{Page: 1}) || b.Worst == nil || b.Worst.Message != "exited" || !b.Audited.Equal(h.at) {
		t.Errorf("the beat is %+v", b)
	}
	h.audit(t, "exited")
	h.audit(t, "exited")
	want(t, "within a quarter of an hour", len(h.seal(t)), 0)
	h.audit(t, "exited")
	third := h.seal(t)
	want(t, "after it", len(third), 1)
	var rows history.Shipment
	if err := json.Unmarshal(third[0].Evidence, &rows); err != nil || rows.Extended == nil || rows.Extended.Count != 4 || !rows.IsMore() {
		t.Errorf("rows %s, %v", third[0].Evidence, err)
	}
	if third[0].Seq != 3 || third[0].Prev == (fleet.Digest{}) {
		t.Errorf("it is number %d after %v", third[0].Seq, third[0].Prev)
	}
}

// An envelope is kept and sent again until the archive has it.
func TestAcknowledge(t *testing.T) {
	h := newHost(t)
	for i := range 6 {
		h.audit(t, fmt.Sprint(i))
		h.seal(t)
	}
	want(t, "before", h.unsent(t), []uint64{1, 2, 3, 4, 5, 6})
	h.sent(t)
	want(t, "when the broker has them", h.unsent(t), nil)
	take := func(w fleet.Watermark) {
		t.Helper()
		w.Source, w.At = web, h.at
		if err := h.spool.Acknowledge(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	take(fleet.Watermark{Upto: 0, Newest: 5, Missing: []fleet.Range{{From: 1, To: 2}, {From: 4, To: 4}}})
	want(t, "what the archive lacks", h.unsent(t), []uint64{1, 2, 4})
	h.sent(t)
	h.at = h.at.Add(again + time.Minute)
	want(t, "after an hour", h.unsent(t), []uint64{1, 2, 4, 6})
	take(fleet.Watermark{Newest: 6, Missing: []fleet.Range{}})
	want(t, "in the end", h.unsent(t), nil)
	h.audit(t, "another")
	if e := h.seal(t); len(e) != 1 || e[0].Seq != 7 {
		t.Errorf("%+v", e)
	}
}

// If the archive lost what is no longer here, everything that the memory has is sent again, once.
func TestArchiveThatLost(t *testing.T) {
	h := newHost(t)
	for i := range 4 {
		h.audit(t, fmt.Sprint(i))
		h.seal(t)
	}
	h.sent(t)
	full := fleet.Watermark{Source: web, Newest: 4, Missing: []fleet.Range{}, At: h.at}
	restored := fleet.Watermark{Source: web, Upto: 2, Newest: 2, At: h.at.Add(time.Hour)}
	for _, w := range []fleet.Watermark{full, restored, restored} {
		if err := h.spool.Acknowledge(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	made := h.seal(t)
	var rows history.Shipment
	if len(made) != 1 || json.Unmarshal(made[0].Evidence, &rows) != nil || !rows.Reset || len(rows.Spans) != 4 {
		t.Fatalf("sent again is %d: %+v", len(made), rows)
	}
	h.sent(t)
	gap := fleet.Watermark{Source: web, Upto: 2, Newest: 5, Missing: []fleet.Range{{From: 3, To: 4}}, At: h.at.Add(2 * time.Hour)}
	for range 2 {
		if err := h.spool.Acknowledge(t.Context(), gap); err != nil {
			t.Fatal(err)
		}
		want(t, "again after the gap stays", len(h.seal(t)), 0)
	}
}

// An old watermark that a broker repeats changes nothing.
func TestOldWatermark(t *testing.T) {
	h := newHost(t)
	old := fleet.Watermark{Source: web, At: h.at}
	for i := range 3 {
		h.audit(t, fmt.Sprint(i))
		h.seal(t)
	}
	gap := fleet.Watermark{Source: web, Newest: 3, Upto: 1, Missing: []fleet.Range{{From: 2, To: 2}}, At: h.at.Add(-time.Second)}
	for _, w := range []fleet.Watermark{{Source: web, Newest: 3, At: h.at}, old, gap} {
		if err := h.spool.Acknowledge(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "sealed again", len(h.seal(t)), 0)
}

// A watermark that cannot be true is an error, and nothing is forgotten by it.
func TestSenselessWatermark(t *testing.T) {
	h := newHost(t)
	for i := range 3 {
		h.audit(t, fmt.Sprint(i))
		h.seal(t)
	}
	most := uint64(math.MaxUint64)
	for name, w := range map[string]fleet.Watermark{
		"ranges that fall":         {Newest: 3, Missing: []fleet.Range{{From: 2, To: 2}, {From: 1, To: 1}}},
		"a range from behind":      {Newest: 3, Missing: []fleet.Range{{From: 2, To: 1}}},
		"a range from zero":        {Newest: 3, Missing: []fleet.Range{{From: 0, To: 1}}},
		"a range above the newest": {Newest: 2, Missing: []fleet.Range{{From: 2, To: 3}}},
		"a range without end":      {Newest: 3, Missing: []fleet.Range{{From: 3, To: most}}},
		"more than the newest":     {Newest: 2, Upto: 3},
		"the largest number":       {Newest: most, Upto: most},
	} {
		w.Source, w.At = web, h.at
		if err := h.spool.Acknowledge(t.Context(), w); !errors.Is(err, errSenseless) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, "kept", len(h.unsent(t)), 3)
	h.audit(t, "exited")
	want(t, "made after that", len(h.seal(t)), 1)
}

// A beat says how many envelopes the archive still lacks, as far as the host knows.
func TestWaiting(t *testing.T) {
	h := newHost(t)
	for i := range 3 {
		h.audit(t, fmt.Sprint(i))
		want(t, "waits at first", h.seal(t)[0].Beat.Waiting, uint64(i))
	}
	h.sent(t)
	beat := func() uint64 {
		e, err := h.spool.SealBeat(t.Context(), h.Host, h.at)
		if err != nil {
			t.Fatal(err)
		}
		h.sent(t)
		return h.opened(t, e).Beat.Waiting
	}
	want(t, "waits when all is sent", beat(), 0)
	gap := fleet.Watermark{Source: web, Newest: 4, Upto: 1, Missing: []fleet.Range{{From: 2, To: 3}}, At: h.at}
	gap.Digest = fleet.DigestOf(h.kept(t, 1))
	if err := h.spool.Acknowledge(t.Context(), gap); err != nil {
		t.Fatal(err)
	}
	want(t, "waits when two are lost", beat(), 2)
}

func (h *host) kept(t *testing.T, seq uint64) (sealed []byte) {
	t.Helper()
	err := h.spool.db.View(t.Context(), func(tx sqlite.Tx) error {
		return tx.One("SELECT sealed FROM outbox WHERE seq = ?", int64(seq)).Scan(&sealed)
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// A copy of a host does not go on.
func TestCloned(t *testing.T) {
	h := newHost(t)
	h.audit(t)
	made := h.seal(t)
	for name, w := range map[string]fleet.Watermark{
		"the hub has more":     {Newest: 2},
		"the hub says so":      {Newest: 1, Fork: "there are two envelopes 1"},
		"another envelope one": {Upto: 1, Newest: 1, Digest: fleet.Digest{1}},
	} {
		w.Source, w.At = web, h.at
		if err := h.spool.Acknowledge(t.Context(), w); !errors.Is(err, ErrCloned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.spool.Acknowledge(t.Context(), fleet.Watermark{Source: web, Upto: 1, Newest: 1, Digest: fleet.DigestOf(sealedOf(t, h, made[0].Seq))}); err != nil {
		t.Error(err)
	}
}

func sealedOf(t *testing.T, h *host, seq uint64) []byte {
	t.Helper()
	list, err := h.spool.Unsent(t.Context(), h.at, 1000)
	if err != nil || len(list) < int(seq) {
		t.Fatal(err)
	}
	return list[seq-1].Sealed
}

// While the archive has nothing, what is new stays in the memory; it is sent afterwards.
func TestFull(t *testing.T) {
	h := newHost(t)
	for i := range maxOutbox {
		h.audit(t, fmt.Sprint(i))
		h.seal(t)
	}
	h.audit(t, "one more")
	if _, err := h.spool.Draft(t.Context(), h.Host, h.at); !errors.Is(err, ErrFull) {
		t.Fatalf("%v, want %v", err, ErrFull)
	}
	if err := h.spool.Acknowledge(t.Context(), fleet.Watermark{Source: web, Newest: maxOutbox, At: h.at}); err != nil {
		t.Fatal(err)
	}
	made := h.seal(t)
	var rows history.Shipment
	if len(made) != 1 || json.Unmarshal(made[0].Evidence, &rows) != nil || len(rows.Spans) != 1 || rows.Lost != 0 {
		t.Errorf("%+v", rows)
	}
}

// Two processes do not send at once, a foreign or damaged spool is an error, and what was sealed
// is there after it was closed.
func TestOpen(t *testing.T) {
	h := newHost(t)
	held := (*lock.HeldError)(nil)
	if _, err := Open(t.Context(), h.home, web, noon); !errors.As(err, &held) {
		t.Errorf("a second process: %v", err)
	}
	h.audit(t)
	h.seal(t)
	if err := h.spool.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), h.home, fleet.Source{Org: "home", Host: "db", User: "alice"}, noon); err == nil {
		t.Error("it is taken for another source's")
	}
	h.open(t)
	want(t, "after opening again", h.unsent(t), []uint64{1})
	if err := h.spool.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Path(h.home), []byte("rubbish, and no database at all: it is longer than a header is"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(context.WithoutCancel(t.Context()), h.home, web, noon); err == nil {
		_ = s.Close()
		t.Error("a damaged spool is taken")
	}
}

// A spool that is put aside is kept, and another one begins.
func TestPutAside(t *testing.T) {
	home := t.TempDir()
	if err := PutAside(home, noon); err != nil {
		t.Errorf("there is none: %v", err)
	}
	for range 2 {
		if err := os.MkdirAll(filepath.Dir(Path(home)), 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), home, web, noon)
		if err != nil {
			t.Fatal(err)
		}
		if err := PutAside(home, noon); err == nil {
			t.Error("it is put aside while it is open")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := PutAside(home, noon); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(Path(home)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
		if _, err := os.Stat(Path(home) + ".old"); err != nil {
			t.Error(err)
		}
	}
}
