package courier_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/spool"
	"stackpolicy/lab/hub"
)

// liar says something else than the hub has.
type liar struct {
	courier.Hub
	last func() ([]byte, error)
}

func (l liar) Last(context.Context, string) ([]byte, error) { return l.last() }

// lied lets a host send over a hub that lies about its watermark.
func lied(x *hub.Host, last func() ([]byte, error)) courier.Options {
	o := x.Options
	o.Limit = most
	o.Dial = func(ctx context.Context) (courier.Hub, error) {
		c, err := x.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return liar{c, last}, nil
	}
	return o
}

// statement is a watermark of a source, signed by a key.
func statement(t *testing.T, key fleet.Key, of fleet.Source, w fleet.Watermark) []byte {
	t.Helper()
	s, err := key.Sign(fleet.WatermarkKind, of, w)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLies: no watermark that the archive did not make of this chain makes a host forget anything.
// Where it is only the watermark that is wrong, evidence is sent nevertheless.
func TestLies(t *testing.T) {
	h := hub.New(t)
	stranger, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	all := func(x *hub.Host) fleet.Watermark { // what would make the host forget both
		return fleet.Watermark{Source: x.Source, Key: x.Key.Public(), Upto: 2, Newest: 2, Missing: []fleet.Range{}, At: x.Now()}
	}
	db := h.Enroll("db", "ada", time.Now())
	for name, c := range map[string]struct {
		says   func(x *hub.Host) ([]byte, error)
		want   string
		isSent bool
	}{
		"by a wrong key": {func(x *hub.Host) ([]byte, error) { return statement(t, stranger, x.Source, all(x)), nil }, "signature", true},
		"by the key of the registry": {func(x *hub.Host) ([]byte, error) {
			return statement(t, h.Keys.Registry, x.Source, all(x)), nil
		}, "signature", true},
		"by its own key": {func(x *hub.Host) ([]byte, error) { return statement(t, x.Key, x.Source, all(x)), nil }, "signature", true},
		"of another source": {func(x *hub.Host) ([]byte, error) {
			return statement(t, h.Keys.Archive, db.Source, all(db)), nil
		}, "signature", true},
		"of another chain": {func(x *hub.Host) ([]byte, error) {
			w := all(x)
			w.Key = stranger.Public()
			return statement(t, h.Keys.Archive, x.Source, w), nil
		}, "", true},
		"of envelopes of the future": {func(x *hub.Host) ([]byte, error) {
			w := all(x)
			w.Upto, w.Newest = 9, 9
			return statement(t, h.Keys.Archive, x.Source, w), nil
		}, spool.ErrCloned.Error(), false},
		"of a digest that was never sent": {func(x *hub.Host) ([]byte, error) {
			w := all(x)
			w.Digest = fleet.DigestOf([]byte("another"))
			return statement(t, h.Keys.Archive, x.Source, w), nil
		}, spool.ErrCloned.Error(), false},
		"of a fork": {func(x *hub.Host) ([]byte, error) {
			w := all(x)
			w.Fork = "two of number 1"
			return statement(t, h.Keys.Archive, x.Source, w), nil
		}, spool.ErrCloned.Error(), false},
		"of a number that cannot be": {func(x *hub.Host) ([]byte, error) {
			w := all(x)
			w.Newest = math.MaxUint64
			return statement(t, h.Keys.Archive, x.Source, w), nil
		}, "cannot be", true},
		"of nothing": {func(x *hub.Host) ([]byte, error) {
			return statement(t, h.Keys.Archive, x.Source, fleet.Watermark{Source: x.Source, Key: x.Key.Public(), Missing: []fleet.Range{}, At: x.Now()}), nil
		}, "", true},
		"cut off":  {func(x *hub.Host) ([]byte, error) { return statement(t, h.Keys.Archive, x.Source, all(x))[:40], nil }, "statement", true},
		"no bytes": {func(*hub.Host) ([]byte, error) { return []byte{}, nil }, "statement", true},
		"large":    {func(*hub.Host) ([]byte, error) { return make([]byte, 1<<20), nil }, "statement", true},
		"refused":  {func(*hub.Host) ([]byte, error) { return nil, errors.New("the broker answers 503") }, "503", true},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now().Add(-time.Hour)
			x := h.Enroll("web", "u"+strings.Map(letters, name), now)
			for i := range 2 { // two that the broker has, and of which the archive says nothing
				x.Audit(now.Add(time.Duration(i)*time.Minute), "s", strings.Repeat("x", i+1))
				if _, err := courier.Send(t.Context(), x.Options); err != nil {
					t.Fatal(err)
				}
			}
			x.Audit(now.Add(3*time.Minute), "s", "new")
			r, err := courier.Send(t.Context(), lied(x, func() ([]byte, error) { return c.says(x) }))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("it said %v, want %q", err, c.want)
			}
			if isSent := r.Sent > 0; isSent != c.isSent {
				t.Errorf("%d were sent, want some: %t", r.Sent, c.isSent)
			}
			want := 2
			if c.isSent {
				want++ // and the new one
			}
			if w := waits(t, x); w.Unsent+w.Unconfirmed < want || w.Unsent+w.Unconfirmed > 4 || !w.Confirmed.IsZero() && name != "of nothing" {
				t.Errorf("it keeps %+v, want at least %d envelopes", w, want)
			}
		})
	}
}

func letters(r rune) rune {
	if r == ' ' {
		return '-'
	}
	return r
}

// TestNothingIsForgottenUnconfirmed: the acknowledgement of the broker is not that of the archive.
// After an hour without one, envelopes are sent again, and the archive has each once.
func TestNothingIsForgottenUnconfirmed(t *testing.T) {
	h := hub.New(t)
	begin := time.Now().Add(-24 * time.Hour)
	x := h.Enroll("web", "ada", begin)
	for i := range 5 {
		x.Audit(begin.Add(time.Duration(i)*time.Minute), "s", strings.Repeat("x", i+1))
		if r, err := courier.Send(t.Context(), x.Options); err != nil || r.Sent != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if w := waits(t, x); w.Unconfirmed != i+1 || w.Unsent != 0 || !w.Confirmed.IsZero() {
			t.Errorf("after %d: %+v", i+1, w)
		}
	}
	at := begin.Add(2 * time.Hour)
	x.Now = func() time.Time { return at }
	if r, err := courier.Send(t.Context(), x.Options); err != nil || r.Sent < 5 {
		t.Errorf("an hour later: %+v, %v", r, err)
	}
	if w := waits(t, x); w.Unconfirmed < 5 {
		t.Errorf("an hour later: %+v", w)
	}
	h.StartArchiver()
	whole(t, h, x)
	confirmed(t, h, x, at.Add(time.Minute))
}

// TestClockOfTheHubWasWrong: after a watermark of next year the host still sends, and takes
// watermarks of today about what is newer.
func TestClockOfTheHubWasWrong(t *testing.T) {
	h := hub.New(t)
	now := time.Now().Add(-time.Hour)
	x := h.Enroll("web", "ada", now)
	x.Audit(now, "s", "a")
	w := fleet.Watermark{Source: x.Source, Key: x.Key.Public(), Missing: []fleet.Range{}, At: now.AddDate(1, 0, 0)}
	if r, err := courier.Send(t.Context(), lied(x, func() ([]byte, error) { return statement(t, h.Keys.Archive, x.Source, w), nil })); err != nil || r.Sent != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := waits(t, x); got.Unconfirmed != 1 {
		t.Errorf("%+v", got)
	}
	h.StartArchiver()
	x.Audit(now.Add(time.Minute), "s", "b")
	whole(t, h, x)
	confirmed(t, h, x, now.Add(2*time.Minute))
}

// confirmed wants that a host forgets what the archive has. A watermark comes a second after the
// evidence, and a host reads it when something is due.
func confirmed(t *testing.T, h *hub.Hub, x *hub.Host, at time.Time) {
	t.Helper()
	var w spool.Waiting
	for i, end := 0, time.Now().Add(20*time.Second); time.Now().Before(end); i++ {
		x.Audit(at.Add(time.Duration(i)*time.Second), "s", fmt.Sprint("due ", i))
		whole(t, h, x)
		if w = waits(t, x); w.Unconfirmed == 1 && w.Unsent == 0 && w.Audits == 0 && time.Since(w.Confirmed).Abs() < time.Minute {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("the archive has all, and the host keeps %+v", w)
}

// TestConnectsOnlyIfDue: a host that has nothing new leaves the hub alone, and so does one of which
// another process sends.
func TestConnectsOnlyIfDue(t *testing.T) {
	h := hub.New(t)
	now := time.Now()
	x := h.Enroll("web", "ada", now)
	x.Audit(now, "s", "a")
	dials := 0
	o := x.Options
	o.Dial = func(ctx context.Context) (courier.Hub, error) {
		dials++
		return x.Dial(ctx)
	}
	held, err := spool.Open(t.Context(), x.StateHome, x.Source, now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := courier.Send(t.Context(), o); err != nil || r != (courier.Result{}) || dials != 0 {
		t.Errorf("beside another process: %+v, %v, %d dials", r, err, dials)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0, 0} {
		r, err := courier.Send(t.Context(), o)
		if err != nil || r.Sent != want || dials != 1 {
			t.Errorf("call %d: %+v, %v, %d dials", i, r, err, dials)
		}
	}
}
