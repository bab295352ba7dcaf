package courier_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/spool"
	"stackpolicy/lab/hub"
)

// limit is what a call may take in these tests, and most what it takes on a busy machine: less
// than the limit of a call that was given none.
const (
	limit = 2 * time.Second
	most  = 8 * time.Second
)

// step is something that a courier does at the hub.
type step string

const (
	dials          step = "dial"
	reads          step = "read of the watermark"
	publishes      step = "publish"
	publishesAgain step = "second publish"
)

// between calls something before each step.
type between struct {
	courier.Hub
	before func(step)
	sent   *int
}

func (b between) Last(ctx context.Context, subject string) ([]byte, error) {
	b.before(reads)
	return b.Hub.Last(ctx, subject)
}

func (b between) Publish(ctx context.Context, subject, id string, data []byte) error {
	if *b.sent++; *b.sent == 1 {
		b.before(publishes)
	} else {
		b.before(publishesAgain)
	}
	return b.Hub.Publish(ctx, subject, id, data)
}

// over lets a host send over a wire, and calls before each step.
func over(x *hub.Host, w *wire, before func(step)) courier.Options {
	o, sent := x.Options, 0
	o.Limit = limit
	o.Dial = func(ctx context.Context) (courier.Hub, error) {
		before(dials)
		to := x.Link
		to.URLs = []string{w.URL}
		c, err := link.Connect(ctx, to)
		if err != nil {
			return nil, err
		}
		return between{courier.Over(c), before, &sent}, nil
	}
	return o
}

func waits(t *testing.T, x *hub.Host) spool.Waiting {
	t.Helper()
	w, err := spool.ReadWaiting(t.Context(), x.StateHome, x.Source, x.Store)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// whole wants that the hub gets all that a host remembers, once each.
func whole(t *testing.T, h *hub.Hub, x *hub.Host) {
	t.Helper()
	if _, err := courier.Send(t.Context(), x.Options); err != nil {
		t.Fatal(err)
	}
	if err := h.Await(30*time.Second, x); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // what the broker has comes to the archive
		d := cmp.Diff(h.Read(x.Store), h.Memory(x))
		if d == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("-host +hub\n%.3000s", d)
		}
	}
}

// large is a name of which 150 kB are left when it is packed: more than a write to a connection
// that carries nothing has room for.
func large(t *testing.T) string {
	t.Helper()
	name := make([]byte, 150_000)
	if _, err := rand.Read(name); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(name)
}

// TestFaults: whatever fails at whichever step, the call ends in time with an error, nothing is
// forgotten, and in the end the hub has everything once.
func TestFaults(t *testing.T) {
	h := hub.New(t)
	h.StartArchiver()
	faults := map[string]func(*wire){"hangs": (*wire).freeze, "is cut": (*wire).cut, "is gone": func(w *wire) {
		h.StopArchiver()
		h.StopBroker()
	}}
	n := 0
	for fault, does := range faults {
		for _, at := range []step{dials, reads, publishes, publishesAgain} {
			if fault == "is cut" && at == dials {
				continue // there is no connection yet
			}
			n++
			name, state := fmt.Sprint("web", n), large(t)
			t.Run(fault+" before "+string(at), func(t *testing.T) {
				now := time.Now()
				x, w := h.Enroll(name, "ada", now), newWire(t, h.URL)
				x.Audit(now, "first", "a")
				whole(t, h, x)
				for i := range 2 {
					x.Audit(now.Add(time.Duration(i+1)*time.Minute), state, fmt.Sprint(i))
				}
				leave(t, x) // so that there are two to be sent
				x.Audit(now.Add(5*time.Minute), "last", "c")
				before := waits(t, x)

				began, isReached := time.Now(), false
				_, err := courier.Send(t.Context(), over(x, w, func(s step) {
					if s == at {
						isReached = true
						does(w)
					}
				}))
				took := time.Since(began)
				t.Logf("after %v: %v", took.Round(time.Millisecond), err)
				if !isReached || err == nil || took > most {
					t.Errorf("the step was reached: %t; after %v: %v", isReached, took, err)
				}
				after := waits(t, x)
				if kept := after.Unsent + after.Unconfirmed; kept < before.Unsent || after.Audits+int64(kept) == 0 {
					t.Errorf("it forgot: %+v, before %+v", after, before)
				}
				if h.StartBroker(); fault == "is gone" {
					h.StartArchiver()
				}
				whole(t, h, x)
			})
		}
	}
}

// leave makes an envelope that the broker does not have.
func leave(t *testing.T, x *hub.Host) {
	t.Helper()
	s, err := spool.Open(t.Context(), x.StateHome, x.Source, x.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Seal(t.Context(), x.Host, x.Now()); err != nil {
		t.Fatal(err)
	}
}
