package collect

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
)

// probing is a collection whose document has the given units, of which each is
// the unit of a configured stack with one probe of the address.
func probing(t *testing.T, address string, units ...facts.Unit) *run {
	t.Helper()
	r := &run{ctx: t.Context(), env: alice, doc: &facts.Document{Units: units}, failed: map[string]error{}}
	r.env.Now = time.Now
	r.env.Config.Stacks = map[string]config.Stack{}
	for _, u := range units {
		r.env.Config.Stacks[strings.TrimSuffix(u.Name, ".service")] = config.Stack{
			Unit: u.Name, Probes: []config.Probe{{TCP: address, Within: time.Second}},
		}
	}
	r.doc.Collectors = map[string]facts.CollectorStatus{}
	return r
}

func (r *run) probe(t *testing.T) facts.CollectorStatus {
	t.Helper()
	r.beginProbes()
	r.do(t.Context(), probesCollector())
	return r.doc.Collectors["probes"]
}

func inState(name, state string) facts.Unit {
	return facts.Unit{Name: name, Loaded: &facts.Loaded{ActiveState: state}}
}

// listening returns an address that accepts connections, and counts them.
func listening(t *testing.T) (address string, taken chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	taken = make(chan struct{}, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			taken <- struct{}{}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), taken
}

// TestProbes: the probes of stacks that may run are run; each is recorded under its unit.
func TestProbes(t *testing.T) {
	address, _ := listening(t)
	states := map[string]int{
		"active": 1, "reloading": 1, "activating": 1, "failed": 1, "maintenance": 1, "inactive": 0, "deactivating": 0,
	}
	var units []facts.Unit
	for state := range states {
		units = append(units, inState(state+".service", state))
	}
	r := probing(t, address, units...)
	if status := r.probe(t); !status.OK {
		t.Fatal(status.Error)
	}
	for _, u := range r.doc.Units {
		state := u.Loaded.ActiveState
		if u.Probes == nil || len(u.Probes) != states[state] {
			t.Errorf("%s: %d probes, want %d", state, len(u.Probes), states[state])
		}
		for _, p := range u.Probes {
			if want := (facts.Probe{Kind: "tcp", Target: address, Expected: "a connection within 1s", OK: true, LatencyMS: p.LatencyMS}); !cmp.Equal(want, p) {
				t.Errorf("got %+v, want %+v", p, want)
			}
		}
	}
}

// TestProbesAreAskedAtOnce: sixteen probes without an answer take as long as one.
func TestProbesAreAskedAtOnce(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // its queue accepts connections, but nobody answers them
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	r := probing(t, "", inState("web.service", "active"))
	web := r.env.Config.Stacks["web"]
	web.Probes = nil
	for range 16 {
		web.Probes = append(web.Probes, config.Probe{HTTP: "http://" + hangs.Addr().String(), Status: 200, Within: time.Second})
	}
	r.env.Config.Stacks["web"] = web
	begin := time.Now()
	if status := r.probe(t); !status.OK {
		t.Fatal(status.Error)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	if p := r.doc.Units[0].Probes[15]; p.OK || p.Error != "no answer within 1s" || p.LatencyMS < 1000 {
		t.Errorf("got %+v", p)
	}
}

// TestProbesThatCannotBeAsked: without the states of units it is not known which probes
// count, so probes are a gap.
func TestProbesThatCannotBeAsked(t *testing.T) {
	address, taken := listening(t)
	r := probing(t, address, facts.Unit{Name: "web.service"})
	r.failed["systemd"] = net.ErrClosed
	if status := r.probe(t); status.OK || !strings.Contains(status.Error, "rests on the systemd collector") {
		t.Errorf("got %+v", status)
	}
	r.failed = map[string]error{}
	if status := r.probe(t); status.OK || !strings.Contains(status.Error, "the state of web.service, the unit of stack web") {
		t.Errorf("got %+v", status)
	}
	r.env.Config.Stacks["web"] = config.Stack{Unit: "web.service"}
	if status := r.probe(t); !status.OK {
		t.Errorf("no probe is configured: %+v", status)
	}
	if len(taken) != 0 {
		t.Errorf("%d probes were asked", len(taken))
	}
}

func TestStep(t *testing.T) {
	for latency, want := range map[time.Duration]int64{
		0: 10, time.Microsecond: 10, 10 * time.Millisecond: 10, 10*time.Millisecond + 1: 20, 21 * time.Millisecond: 50,
		100 * time.Millisecond: 100, 101 * time.Millisecond: 200, 1999 * time.Millisecond: 2000, 10 * time.Second: 10_000,
	} {
		if got := step(latency); got != want {
			t.Errorf("%s: %d, want %d", latency, got, want)
		}
	}
}
