package collect

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
)

// probing is a document with the given units, of which each is the unit of a configured
// stack with one probe of the address.
type probing struct {
	doc    *facts.Document
	stacks map[string]config.Stack
	silent error // of the manager
}

func newProbing(address string, units ...facts.Unit) *probing {
	p := &probing{doc: newDocument(noon), stacks: map[string]config.Stack{}}
	p.doc.Units = units
	for _, u := range units {
		p.stacks[strings.TrimSuffix(u.Name, ".service")] = config.Stack{
			Unit: u.Name, Probes: []config.Probe{{TCP: address, Within: time.Second}},
		}
	}
	return p
}

func (p *probing) probe(t *testing.T) error {
	t.Helper()
	asked := beginProbes(t.Context(), nil, p.stacks, p.doc.Units)
	found, err := collectProbes(t.Context(), asked, unknownState(p.stacks, nil, p.doc.Units, p.silent))
	if err == nil {
		found.fill(p.doc)
	}
	return err
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
	p := newProbing(address, units...)
	if err := p.probe(t); err != nil {
		t.Fatal(err)
	}
	for _, u := range p.doc.Units {
		state := u.Loaded.ActiveState
		if u.Probes == nil || len(u.Probes) != states[state] {
			t.Errorf("%s: %d probes, want %d", state, len(u.Probes), states[state])
		}
		for _, got := range u.Probes {
			if want := (facts.Probe{Kind: "tcp", Target: address, Expected: "a connection within 1s", OK: true, LatencyMS: got.LatencyMS}); !cmp.Equal(want, got) {
				t.Errorf("got %+v, want %+v", got, want)
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
	p := newProbing("", inState("web.service", "active"))
	web := p.stacks["web"]
	web.Probes = nil
	for range 16 {
		web.Probes = append(web.Probes, config.Probe{HTTP: "http://" + hangs.Addr().String(), Status: 200, Within: time.Second})
	}
	p.stacks["web"] = web
	begin := time.Now()
	if err := p.probe(t); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	if last := p.doc.Units[0].Probes[15]; last.OK || last.Error != "no answer within 1s" || last.LatencyMS < 1000 {
		t.Errorf("got %+v", last)
	}
}

// TestProbesThatCannotBeAsked: without the states of units it is not known which probes
// count, so probes are a gap.
func TestProbesThatCannotBeAsked(t *testing.T) {
	address, taken := listening(t)
	p := newProbing(address, facts.Unit{Name: "web.service"})
	p.silent = net.ErrClosed
	if err := p.probe(t); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	p.silent = nil
	if err := p.probe(t); err == nil || !strings.Contains(err.Error(), "the state of web.service, the unit of stack web") {
		t.Errorf("got %v", err)
	}
	p.stacks["web"] = config.Stack{Unit: "web.service"}
	if err := p.probe(t); err != nil {
		t.Errorf("no probe is configured: %v", err)
	}
	if len(taken) != 0 {
		t.Errorf("%d probes were asked", len(taken))
	}
}

func TestRoundUp(t *testing.T) {
	for latency, want := range map[time.Duration]int64{
		0: 10, time.Microsecond: 10, 10 * time.Millisecond: 10, 10*time.Millisecond + 1: 20, 21 * time.Millisecond: 50,
		100 * time.Millisecond: 100, 101 * time.Millisecond: 200, 1999 * time.Millisecond: 2000, 10 * time.Second: 10_000,
	} {
		if got := roundUp(latency); got != want {
			t.Errorf("%s: %d, want %d", latency, got, want)
		}
	}
}
