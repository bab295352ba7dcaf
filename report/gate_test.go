package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stackpolicy/gate"
)

func gated(exit int) Gated {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := func(change, subject string) gate.Change {
		return gate.Change{Invariant: "stack_running", Subject: subject, Change: change, Severity: "page", Message: subject + " is down", Explain: "stackpolicy explain " + subject + " stack_running"}
	}
	g := Gated{Result: gate.Result{
		Schema: gate.Schema, ExitCode: exit, Before: gate.Side{From: gate.FromBegin, At: at, Generation: "/nix/store/a"}, After: gate.Side{From: gate.FromNow, At: at, Generation: "/nix/store/b"},
	}, Options: Options{Width: 80}}
	g.Remaining = []gate.Change{c(gate.Remains, "old.service")}
	for range 2 {
		u := c(gate.Remains, "host")
		u.Severity = "unknown"
		g.Remaining = append(g.Remaining, u)
	}
	switch exit {
	case 2:
		g.Worse, g.Coming = []gate.Change{c(gate.New, "web.service")}, []gate.Change{c(gate.Coming, "db.service")}
	case 3:
		g.Waiting = []gate.Waiting{{Subject: "web.service", Reason: "is starting"}, {Subject: gate.HostWaits, Reason: "an activation is running"}}
		g.Undecided = []gate.Change{c(gate.Undecided, "db.service")}
	}
	return g
}

func TestGateText(t *testing.T) {
	const generations = "  before: /nix/store/a\n  now: /nix/store/b\n"
	const also = "\nThere before as well\n  unknown  2 undecided invariants or gaps: `stackpolicy eval`\n  page  stack_running old.service: old.service is down\n"
	for exit, want := range map[int]string{
		0: "OK  nothing got worse since 2026-03-01 12:00:00 UTC (gate begin)\n" + generations + also,
		2: "WORSE  1 finding since 2026-03-01 12:00:00 UTC (gate begin)\n" + generations +
			"\nPAGE  stack_running  web.service: new\n  web.service is down\n  next: `stackpolicy explain web.service stack_running`\n" + also +
			"\nFound later, or found worse, if nothing changes\n  page  stack_running db.service: db.service is down\n",
		3: "UNKNOWN  it cannot be told whether anything got worse since 2026-03-01 12:00:00\n         UTC (gate begin)\n" + generations +
			"\nPAGE  stack_running  db.service: could be decided before, and cannot now\n  db.service is down\n  next: `stackpolicy explain db.service stack_running`\n" +
			"\nUNKNOWN  web.service is starting\n  next: `systemctl --user status web.service`\n\nUNKNOWN  an activation is running\n  next: `stackpolicy eval`\n" + also,
	} {
		var out bytes.Buffer
		if err := writeGate(&out, gated(exit)); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%d: got\n%s\nwant\n%s", exit, out.String(), want)
		}
	}
}

// TestGateTextIsHarmless: names and messages come from outside.
func TestGateTextIsHarmless(t *testing.T) {
	g := gated(2)
	for _, s := range nasty {
		x := gate.Change{Invariant: s, Subject: s, Object: s, Change: s, Message: s, Explain: s, Severity: "page"}
		g.Worse, g.Remaining, g.Waiting = append(g.Worse, x), append(g.Remaining, x), append(g.Waiting, gate.Waiting{Subject: s, Reason: s})
		g.Before.Generation = s
	}
	var out bytes.Buffer
	if err := writeGate(&out, g); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r == 0x1b || r == 0x202e || r == 0x7f {
			t.Errorf("%U in the output", r)
		}
	}
	if strings.Contains(out.String(), "\ntwo") {
		t.Error("a message has broken a line")
	}
}
