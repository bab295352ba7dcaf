package systemd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestUnescape(t *testing.T) {
	for _, name := range []string{"web.service", "9.service", "a@b-c.service", `x\x2dy.mount`, "-.mount", "ä.service", strings.Repeat("-", 250) + ".path"} {
		label := strings.TrimPrefix(string(unitPath(name)), string(unitNamespace)+"/")
		want := name
		if name == "ä.service" {
			want = ""
		}
		if got := unescape(label); got != want {
			t.Errorf("unescape(%q) = %q, want %q", label, got, want)
		}
	}
	for _, label := range []string{"", "_", "a_", "a_2", "a_2eb_", "a_2Eservice", "a_zzservice", "a/b_2eservice", "a_1b_2eservice", "a_0a_2eservice",
		"a_2fb_2eservice", "noname", "a_61_2eservice", "9_2eservice", strings.Repeat("a", 251) + "_2epath", strings.Repeat("_2e", 1<<20)} {
		if got := unescape(label); got != "" {
			t.Errorf("unescape(%.50q) = %.50q, want none", label, got)
		}
	}
}

func properties(name string, value any) *dbus.Signal {
	return &dbus.Signal{Name: propertiesChanged, Path: unitPath(name),
		Body: []any{unitIface, map[string]dbus.Variant{"SubState": dbus.MakeVariant(value)}, []string{}}}
}

func ofManager(member string, body ...any) *dbus.Signal {
	return &dbus.Signal{Name: managerIface + "." + member, Path: managerPath, Body: body}
}

func TestEvents(t *testing.T) {
	web, job := Event{Unit: "web.service"}, dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
	for name, tc := range map[string]struct {
		signals []*dbus.Signal
		want    []Event
	}{
		"properties of a unit":     {[]*dbus.Signal{properties("web.service", "dead")}, []Event{web}},
		"the same values again":    {[]*dbus.Signal{properties("web.service", "dead"), properties("web.service", "dead")}, []Event{web}},
		"jobs":                     {[]*dbus.Signal{ofManager("JobNew", uint32(1), job, "a.service"), ofManager("JobRemoved", uint32(1), job, "web.service", "done")}, []Event{{Unit: "a.service"}, web}},
		"a reload":                 {[]*dbus.Signal{ofManager("Reloading", true)}, []Event{{Reload: true}}},
		"unit files":               {[]*dbus.Signal{ofManager("UnitFilesChanged"), ofManager("StartupFinished", uint64(1))}, []Event{{}}},
		"loaded to be read":        {[]*dbus.Signal{ofManager("UnitNew", "web.service", unitPath("web.service")), ofManager("UnitRemoved", "web.service", unitPath("web.service"))}, nil},
		"a name that is none":      {[]*dbus.Signal{ofManager("JobNew", uint32(1), job, "\x1b[2J")}, []Event{{}}},
		"a body that is too short": {[]*dbus.Signal{ofManager("JobNew"), {Name: propertiesChanged, Path: unitPath("web.service")}}, []Event{{}, web}},
		"a job's properties":       {[]*dbus.Signal{{Name: propertiesChanged, Path: job}}, nil},
		"the manager's properties": {[]*dbus.Signal{{Name: propertiesChanged, Path: managerPath}}, nil},
		"another object":           {[]*dbus.Signal{{Name: managerIface + ".Reloading", Path: "/x"}}, nil},
		"unknown":                  {[]*dbus.Signal{ofManager("Weather", "web.service"), {Name: "a.b", Path: managerPath}}, nil},
	} {
		e := newEvents()
		for _, s := range tc.signals {
			e.DeliverSignal("", "", s)
		}
		got, owner := e.take()
		if !slices.Equal(got, tc.want) || owner != nil || (len(e.wake) > 0) != (got != nil) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	e := newEvents()
	for _, value := range []string{"dead", "running", "dead"} {
		e.DeliverSignal("", "", properties("web.service", value))
		if got, _ := e.take(); !slices.Equal(got, []Event{web}) {
			t.Errorf("became %s: %v", value, got)
		}
	}
}

// TestEventsAreBounded: whatever comes while nobody takes it.
func TestEventsAreBounded(t *testing.T) {
	e := newEvents()
	for i := range 3 * maxSeen {
		e.DeliverSignal("", "", properties(fmt.Sprintf("%d.service", i), "dead"))
		if len(e.pending) > maxPending || len(e.known) > maxPending || len(e.seen) > maxSeen {
			t.Fatalf("after %d signals: %d, %d, %d", i, len(e.pending), len(e.known), len(e.seen))
		}
	}
	if got, _ := e.take(); !slices.Contains(got, Event{Reload: true}) {
		t.Error("events were dropped without a word")
	}
}

func ownerChanged(sender, owner string) *dbus.Signal {
	return &dbus.Signal{Sender: sender, Name: busName + ".NameOwnerChanged", Body: []any{destination, ":1.1", owner}}
}

// TestManagerLeaves: a manager that is gone from the bus for long ends it; any other process's
// word about that does not.
func TestManagerLeaves(t *testing.T) {
	for sender, want := range map[string]error{busName: errLeft, ":1.7": context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			bus, err := dbus.NewConn(near)
			if err != nil {
				t.Fatal(err)
			}
			defer bus.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			e := newEvents()
			e.DeliverSignal("", "", ownerChanged(sender, ""))
			if err := (&Conn{bus: bus, transport: Bus}).follow(ctx, e, func(Event) {}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", sender, err, want)
			}
		})
	}
}

// then answers what is asked, and sends something after the subscription.
func then(send func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		in, ok := authenticate(conn)
		for ok {
			call, err := dbus.DecodeMessage(in)
			if err != nil {
				return
			}
			member, _ := call.Headers[dbus.FieldMember].Value().(string)
			if answer, known := up(nil)[member]; known && reply(call, answer).EncodeTo(conn, binary.LittleEndian) != nil {
				return
			}
			if member == "Subscribe" {
				send(conn)
			}
		}
	}
}

func encode(conn net.Conn, kind dbus.Type, path dbus.ObjectPath, iface, member, sender string, body ...any) error {
	m := &dbus.Message{Type: kind, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
		dbus.FieldSender: dbus.MakeVariant(sender)}}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return m.EncodeTo(conn, binary.LittleEndian)
}

// TestFollowEnds: whatever is at the other end, it ends with its context at the latest.
func TestFollowEnds(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"silent":                 silent,
		"hangs at the subscribe": replies(map[string]any{"Hello": ":1.1", "Get": dbus.MakeVariant("257"), "AddMatch": nil}),
		"refuses the subscribe":  replies(up(map[string]any{"Subscribe": dbus.Error{Name: "x.y"}})),
		"closes":                 then(func(c net.Conn) { c.Close() }),
		"silent afterwards":      then(silent),
		"noise":                  then(func(c net.Conn) { _, _ = c.Write([]byte(strings.Repeat("x", 1<<20))) }),
		"a name without a name": then(func(c net.Conn) {
			_ = encode(c, dbus.TypeSignal, "/x", busName, "NameLost", busName)
			_ = encode(c, dbus.TypeSignal, "/x", busName, "NameAcquired", busName, uint32(1))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := peer(t, serve)
			within(t, 300*time.Millisecond, func(ctx context.Context) error {
				return FollowUser(ctx, dir, "", func() {}, func(e Event) { t.Errorf("got %v", e) })
			})
		})
	}
}

// TestFollowFlood: 40,000 signals and as many calls, while the caller does something else,
// cost neither memory nor goroutines, and the last signal is not lost.
func TestFollowFlood(t *testing.T) {
	const many = 40_000
	sent := make(chan struct{})
	dir := peer(t, then(func(c net.Conn) {
		go func() { // whatever is answered
			for b := make([]byte, 1<<16); ; {
				if _, err := c.Read(b); err != nil {
					return
				}
			}
		}()
		for i := range many {
			name := fmt.Sprintf("unit-%d.service", i)
			err := encode(c, dbus.TypeSignal, unitPath(name), propertiesIface, "PropertiesChanged", ":1.0",
				unitIface, map[string]dbus.Variant{"Filler": dbus.MakeVariant(strings.Repeat("x", 1000))}, []string{})
			if err == nil {
				err = encode(c, dbus.TypeMethodCall, "/x", "a.b", "C", ":1.0")
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
		_ = encode(c, dbus.TypeSignal, managerPath, managerIface, "UnitFilesChanged", ":1.0")
		close(sent)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	goroutines, calls := runtime.NumGoroutine(), 0
	err := FollowUser(ctx, dir, "", func() {}, func(e Event) {
		if calls++; calls == 1 {
			<-sent
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			if n := runtime.NumGoroutine() - goroutines; m.HeapAlloc > 30<<20 || n > 50 {
				t.Errorf("%d MiB, %d more goroutines", m.HeapAlloc>>20, n)
			}
		}
		if e == (Event{}) {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || calls < 2 || calls > many {
		t.Errorf("%d events, %v", calls, err)
	}
}
