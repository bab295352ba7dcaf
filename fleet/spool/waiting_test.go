package spool

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"stackpolicy/fleet"
)

// waits reads what waits, while the spool is open.
func (h *host) waits(t *testing.T) Waiting {
	t.Helper()
	w, err := ReadWaiting(t.Context(), h.home, web, h.Store)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What waits is read from both, the memory and the spool, at each step of evidence: it is audited,
// sealed, sent and confirmed.
func TestReadWaiting(t *testing.T) {
	h := newHost(t)
	want(t, "a new host", h.waits(t), Waiting{})
	h.audit(t, "a")
	first := h.at
	h.audit(t, "a")
	want(t, "audited", h.waits(t), Waiting{Audits: 2, Since: first})
	h.seal(t)
	want(t, "sealed", h.waits(t), Waiting{Unsent: 1})
	sealed := h.at
	h.audit(t, "a")
	want(t, "the same again", h.waits(t), Waiting{Audits: 1, Since: sealed, Unsent: 1})
	h.sent(t)
	sent := h.at
	want(t, "sent", h.waits(t), Waiting{Audits: 1, Since: sealed, Reached: sent, Unconfirmed: 1})
	confirmed := sent.Add(time.Second)
	mark := fleet.Watermark{Source: web, Key: h.Key.Public(), Upto: 1, Newest: 1, Digest: fleet.DigestOf(h.kept(t, 1)), At: confirmed}
	if err := h.spool.Acknowledge(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	want(t, "confirmed", h.waits(t), Waiting{Audits: 1, Since: sealed, Reached: confirmed, Confirmed: confirmed})
	h.audit(t, "b")
	h.audit(t, "c")
	want(t, "others", h.waits(t), Waiting{Audits: 3, Since: sealed, Reached: confirmed, Confirmed: confirmed})
}

// More than has room in one envelope is counted, too, and nothing is changed by it.
func TestReadWaitingOfALongTime(t *testing.T) {
	h := newHost(t)
	const audits = 1203
	first := h.at.Add(5 * time.Minute)
	for i := range audits {
		h.audit(t, fmt.Sprint(i))
	}
	for range 2 {
		want(t, "a long time", h.waits(t), Waiting{Audits: audits, Since: first})
	}
}

// What is damaged, or of another source, is an error and no number.
func TestReadWaitingRefuses(t *testing.T) {
	h := newHost(t)
	h.audit(t)
	h.seal(t)
	if w, err := ReadWaiting(t.Context(), h.home, fleet.Source{Org: "home", Host: "db", User: "alice"}, h.Store); err == nil || w != (Waiting{}) {
		t.Errorf("of another source: %+v, %v", w, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := ReadWaiting(ended, h.home, web, h.Store); err == nil || w != (Waiting{}) {
		t.Errorf("without time: %+v, %v", w, err)
	}
	if err := h.spool.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Path(h.home), []byte("not a database, but text that is long enough to be one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := ReadWaiting(t.Context(), h.home, web, h.Store); err == nil || w != (Waiting{}) {
		t.Errorf("damaged: %+v, %v", w, err)
	}
}
