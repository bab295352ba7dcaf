package enforce

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

func tried(action string, hour, day, failed int) facts.HealCount {
	return facts.HealCount{Action: action, Tried1h: hour, Tried24h: day, Failed24h: failed}
}

func open(until time.Time) *facts.Breaker {
	return &facts.Breaker{Since: now.Add(-time.Hour), Until: until, Reason: "2 actions on it failed"}
}

func TestWhatWasDoneBeforeHoldsBack(t *testing.T) {
	host, unit := heal("web.service", "daemon-reload"), heal("web.service", "restart")
	cases := map[string]struct {
		change func(*facts.Document)
		heal   finding.Finding
		want   string // part of the refusal; "" if the action is allowed
	}{
		"nothing done yet": {func(*facts.Document) {}, unit, ""},
		"memory of the host unknown": {func(d *facts.Document) {
			d.History = nil
			d.Collectors["history"] = facts.CollectorStatus{Error: "the disk is full"}
		}, host, "not known: the disk is full"},
		"memory of the unit unknown": {func(d *facts.Document) { d.Units[0].History = nil }, unit, "not known"},
		"within the unit's budget": {func(d *facts.Document) {
			d.Units[0].History.Heals = []facts.HealCount{tried("restart", 2, 9, 0)}
		}, unit, ""},
		"the unit's budget used up": {func(d *facts.Document) {
			d.Units[0].History.Heals = []facts.HealCount{tried("restart", 2, 2, 0), tried("reset-failed", 1, 1, 0)}
		}, unit, "the budget of web.service is used up: 3 actions within 1h0m0s, of 3"},
		"counted once": {func(d *facts.Document) {
			h := tried("restart", 2, 2, 0)
			h.Invariant = "stack_running"
			d.Units[0].History.Heals = []facts.HealCount{tried("restart", 2, 2, 0), h}
		}, unit, ""},
		"the host's budget used up": {func(d *facts.Document) {
			d.History.Heals = []facts.HealCount{tried("daemon-reload", 98, 98, 0)}
			d.Units[0].History.Heals = []facts.HealCount{tried("restart", 2, 2, 0)}
		}, host, "the budget of the host is used up: 100 actions"},
		"the unit's breaker open": {func(d *facts.Document) { d.Units[0].History.Breaker = open(now.Add(time.Hour)) },
			unit, "the breaker of web.service is open since 2026-03-01T01:00:00Z (2 actions on it failed), until 2026-03-01T03:00:00Z; close it with: `stackpolicy reset-breaker web.service`"},
		"the unit's breaker, for the host": {func(d *facts.Document) { d.Units[0].History.Breaker = open(now.Add(time.Hour)) }, host, ""},
		"the breaker's time is over":       {func(d *facts.Document) { d.Units[0].History.Breaker = open(now) }, unit, ""},
		"the host's breaker open":          {func(d *facts.Document) { d.History.Breaker = open(now.Add(time.Hour)) }, host, "the breaker of host is open"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := sound(web())
			c.change(doc)
			o := seen(doc, c.heal)
			m := &manager{}
			got, _ := run(t, m, o, o)
			preview := Enforcer{Settings: settings}.Preview(Plan(o.Result.Decisions), o)
			if c.want == "" {
				want(t, got, m, []string{Done}, m.calls...)
				want(t, preview, &manager{}, []string{Planned})
				return
			}
			want(t, got, m, []string{Refused})
			if !strings.Contains(got[0].Message, c.want) || preview[0].Message != got[0].Message {
				t.Errorf("refused with %q, foreseen %q, want %q", got[0].Message, preview[0].Message, c.want)
			}
		})
	}
}

// A unit without a file has a budget and a breaker of its own, and counts for the host's.
func TestWhatWasDoneToGhostsBefore(t *testing.T) {
	for name, c := range map[string]struct {
		of     map[string]facts.History
		host   []facts.HealCount
		budget int
		want   string
	}{
		"nothing":                     {nil, nil, 6, ""},
		"the host was reloaded often": {nil, []facts.HealCount{tried("daemon-reload", 3, 3, 0)}, 6, ""},
		"another ghost":               {map[string]facts.History{"b.service": {Heals: []facts.HealCount{tried("reset-failed", 3, 3, 0)}}}, nil, 6, ""},
		"its budget is used up": {map[string]facts.History{"a.service": {Heals: []facts.HealCount{tried("reset-failed", 3, 3, 0)}}}, nil, 6,
			"the budget of a.service is used up: 3 actions"},
		"its breaker is open": {map[string]facts.History{"a.service": {Breaker: open(now.Add(time.Hour))}}, nil, 6, "the breaker of a.service is open"},
		"the host's budget is used up by another": {map[string]facts.History{"b.service": {Heals: []facts.HealCount{tried("reset-failed", 6, 6, 0)}}}, nil, 6,
			"the budget of the host is used up: 6 actions"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := sound()
			doc.Manager.FailedNoFile = []string{"a.service"}
			doc.History.Others, doc.History.Heals = c.of, c.host
			s := settings
			s.Budget.Host = c.budget
			o := seen(doc, heal("a.service", "reset-failed"))
			got := Enforcer{Settings: s}.Preview(Plan(o.Result.Decisions), o)[0]
			if !strings.Contains(got.Message, c.want) || (got.Status == Planned) != (c.want == "") {
				t.Errorf("%s: %q, want %q", got.Status, got.Message, c.want)
			}
		})
	}
}

// An action and the facts it is based on are recorded before it runs.
func TestActionsAreRemembered(t *testing.T) {
	d := heal("web.service", "restart")
	d.Evidence = map[string]any{"case": "exited"}
	o := seen(sound(web()), d)
	for name, c := range map[string]struct {
		manager error
		want    []string
	}{
		"done":   {nil, []string{"intend restart web.service [{stale web.service exited}]", "conclude 1 done"}},
		"failed": {errors.New("job failed"), []string{"intend restart web.service [{stale web.service exited}]", "conclude 1 failed job failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			e := Enforcer{Manager: &manager{err: c.manager}, Ledger: l, Settings: settings, Observe: (&sequence{list: []Observation{o}}).observe}
			got := e.Run(t.Context(), Plan(o.Result.Decisions), o)
			if diff := cmp.Diff(c.want, l.calls); diff != "" || got[0].ID != 1 {
				t.Errorf("id %d, -want +got\n%s", got[0].ID, diff)
			}
		})
	}
}

func TestWhatCannotBeRememberedIsNotDone(t *testing.T) {
	o := seen(sound(web()), heal("web.service", "restart"))
	for name, l := range map[string]Ledger{"no memory": nil, "disk full": &ledger{err: errors.New("disk full")}} {
		m := &manager{}
		e := Enforcer{Manager: m, Ledger: l, Settings: settings, Observe: (&sequence{list: []Observation{o}}).observe}
		got := e.Run(t.Context(), Plan(o.Result.Decisions), o)
		want(t, got, m, []string{Refused})
		if !strings.Contains(got[0].Message, "not run") || got[0].ID != 0 {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}

var _ Ledger = (*history.Store)(nil)
