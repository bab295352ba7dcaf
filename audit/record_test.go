package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// remembered audits like enforced, and returns the calls of the memory.
func remembered(t *testing.T, store *memory, m *manager, before, after *facts.Document, units ...string) *Report {
	t.Helper()
	var r *Report
	synctest.Test(t, func(t *testing.T) {
		now := before
		m.does = func() { now = after }
		r = Audit{Source: system(func() *facts.Document { return now }), Load: loaded(builtin(t)), Manager: m, Store: store, Units: units}.run(t)
	})
	return r
}

func failures(n int) map[string]facts.History {
	return map[string]facts.History{"host": {Heals: []facts.HealCount{{Action: "daemon-reload", Tried1h: n, Tried24h: n, Failed24h: n}}}}
}

func TestCallsOfTheMemory(t *testing.T) {
	cases := map[string]struct {
		memory memory
		after  string
		units  []string
		want   []string
	}{
		"healed":         {memory{}, "good", nil, []string{"intend daemon-reload host", "conclude 1 done", "verified 1 true", "record 0"}},
		"healed nothing": {memory{}, "stale", nil, []string{"intend daemon-reload host", "conclude 1 done", "verified 1 false", "record 2"}},
		"nothing again": {memory{heals: failures(2)}, "stale", nil, []string{
			"intend daemon-reload host", "conclude 1 done", "verified 1 false",
			"breaker host for 6h0m0s: 2 actions on it failed or healed nothing within a day", "record 2",
		}},
		"one unit alone": {memory{}, "good", []string{"web.service"}, []string{
			"intend daemon-reload host", "conclude 1 done", "verified 1 true",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			remembered(t, &c.memory, &manager{}, recorded(t, "stale"), recorded(t, c.after), c.units...)
			if d := cmp.Diff(c.want, c.memory.calls); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	store := &memory{}
	after := recorded(t, "good")
	remembered(t, store, &manager{}, recorded(t, "stale"), after)
	got := store.record
	if got.Mode != "enforce" || got.ExitCode != 0 || got.Document != after || len(got.Findings) != 0 || len(got.Healed) != 1 {
		t.Errorf("recorded %+v", got)
	}
	if f := got.Healed[0]; f.Invariant != "loaded_is_current" || f.Case() != "stale" || f.Outcome != finding.Healed || f.Evidence["reasons"] == nil {
		t.Errorf("recorded %+v", f)
	}
}

// TestGapsAreRemembered: a gap that leaves no invariant undecided is remembered as a finding
// of its own, so that alerts can be sent about it; another one is not doubled.
func TestGapsAreRemembered(t *testing.T) {
	doc := recorded(t, "good")
	doc.Declared.Patterns = []facts.Pattern{{Pattern: "lab-*.service"}, {Pattern: "old-*.service"}}
	doc.Collectors["podman"] = facts.CollectorStatus{Error: "timed out"}
	store := &memory{}
	Audit{Source: always(doc), Load: loaded(builtin(t)), Store: store}.run(t)
	var got []string
	for _, f := range store.record.Findings {
		if f.Invariant == finding.AuditComplete || f.Evidence["collector"] == "config" {
			got = append(got, f.Subject+" "+string(f.Severity)+" "+f.Case()+": "+f.Message)
		}
	}
	want := []string{
		"host unknown gap: units: the pattern lab-*.service matches no unit",
		"host unknown gap: units: the pattern old-*.service matches no unit",
	}
	if d := cmp.Diff(want, got); d != "" || len(store.record.Findings) < 2 {
		t.Errorf("%d findings; of the configuration -want +got\n%s", len(store.record.Findings), d)
	}
}

// Audits in observe mode are remembered, but audits of a recorded document are not.
func TestRecordOfOneThatObserves(t *testing.T) {
	cases := map[string]struct {
		source Source
		units  []string
		want   string // the calls of the memory, and then Announce
	}{
		"live":     {always(recorded(t, "page")), nil, "record 2, announced 2"},
		"one unit": {always(recorded(t, "page")), []string{"web"}, ""},
		"recorded": {file(recorded(t, "page")), nil, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store := &memory{}
			a := Audit{Source: c.source, Load: loaded(builtin(t)), Units: c.units, Store: store}
			a.Announce = func(_ context.Context, r Result) { _ = store.note("announced %d", r.Report.ExitCode) }
			a.run(t)
			if got := strings.Join(store.calls, ", "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A memory that fails never hides a verdict, and is not a pass.
func TestMemoryThatFails(t *testing.T) {
	for document, exit := range map[string]int{"good": 3, "page": 2} {
		store := &memory{err: errors.New("disk full")}
		r := Audit{Source: always(recorded(t, document)), Load: loaded(builtin(t)), Store: store}.run(t)
		if r.ExitCode != exit || len(r.Gaps) != 1 || r.Gaps[0].Collector != "history" {
			t.Errorf("%s: exit status %d, gaps %+v", document, r.ExitCode, r.Gaps)
		}
	}
}

// Announce is called without a memory too.
func TestAnnounceWithoutMemory(t *testing.T) {
	stores := map[string]struct {
		store      Store
		remembered bool
	}{
		"none": {nil, false}, "one that fails": {&memory{err: errors.New("disk full")}, false}, "one": {&memory{}, true},
	}
	for name, c := range stores {
		t.Run(name, func(t *testing.T) {
			announced := []bool{}
			a := Audit{Source: always(recorded(t, "page")), Load: loaded(builtin(t)), Store: c.store}
			a.Announce = func(_ context.Context, r Result) { announced = append(announced, r.Remembered) }
			a.run(t)
			if !slices.Equal(announced, []bool{c.remembered}) {
				t.Errorf("announced %v", announced)
			}
		})
	}
}

var _ Store = (*history.Store)(nil)
