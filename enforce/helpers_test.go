package enforce

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// manager records its calls.
type manager struct {
	calls []string
	err   error
}

func (m *manager) Reload(context.Context) error { return m.did("daemon-reload") }

func (m *manager) ResetFailed(_ context.Context, unit string) error {
	return m.did("reset-failed " + unit)
}

func (m *manager) Restart(_ context.Context, unit string) error { return m.did("restart " + unit) }

func (m *manager) did(call string) error {
	m.calls = append(m.calls, call)
	return m.err
}

// now is the time at which the test documents were collected.
var now = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// web is a managed unit that is up, with one file that has not changed for long.
func web() facts.Unit {
	long := now.Add(-time.Hour)
	return facts.Unit{
		Name: "web.service", ManagedBy: "home-manager",
		Loaded: &facts.Loaded{LoadState: "loaded", ActiveState: "active"},
		Reload: &facts.Reload{}, History: &facts.History{},
		Files: []facts.File{{
			Path: "/home/alice/.config/systemd/user/web.service", Role: facts.RoleFragment, State: facts.StateDeclared,
			Effective: true, Loaded: true, ChangedAt: &long,
		}},
	}
}

// sound is a document for which every guard allows actions on its unit.
func sound(units ...facts.Unit) *facts.Document {
	doc := &facts.Document{
		Schema: facts.Schema, CollectedAt: now, Collectors: map[string]facts.CollectorStatus{},
		Manager:      &facts.Manager{State: "running"},
		Declared:     &facts.Declared{Activation: facts.Activation{State: "current"}},
		ManagerFiles: &facts.ManagerFiles{},
		History:      &facts.HostHistory{},
		Units:        units,
	}
	for _, name := range []string{"history", "user", "systemd", "home-manager", "files", "podman"} {
		doc.Collectors[name] = facts.CollectorStatus{OK: true}
	}
	return doc
}

func heal(subject string, action finding.Action) finding.Finding {
	return finding.Finding{Invariant: "stale", Subject: subject, Effect: "heal", Severity: "ticket", Action: action, Class: "stack"}
}

func block(class finding.Class, subject string, severity finding.Severity) finding.Finding {
	return finding.Finding{Invariant: "file_declared", Subject: subject, Effect: "block", Severity: severity, Class: class, Message: "a foreign file"}
}

func seen(doc *facts.Document, decisions ...finding.Finding) Observation {
	return Observation{Document: doc, Result: decide.Result{Decisions: decisions, Managed: len(doc.Units)}}
}

// settings opts web.service and many other units in to restarts.
var settings = policy.Settings{
	Restart: []string{"web.service", "many-*"}, Settle: settleTime,
	Budget:  policy.Budget{Unit: 3, Host: 100, Window: time.Hour},
	Breaker: policy.Breaker{Failures: 2, Cooldown: 6 * time.Hour},
}

const settleTime = time.Second

// ledger remembers its calls, or fails.
type ledger struct {
	calls []string
	err   error
}

func (l *ledger) Intend(_ context.Context, a history.Action, _ *facts.Document) (int64, error) {
	l.calls = append(l.calls, fmt.Sprintf("intend %s %s %v", a.Action, a.Subject, a.Reasons))
	return int64(len(l.calls)), l.err
}

func (l *ledger) Conclude(_ context.Context, id int64, status, message string, _ int64) error {
	l.calls = append(l.calls, strings.TrimSpace(fmt.Sprintf("conclude %d %s %s", id, status, message)))
	return l.err
}

func (l *ledger) Verified(_ context.Context, id int64, healed bool, _ *facts.Document) error {
	l.calls = append(l.calls, fmt.Sprintf("verified %d %v", id, healed))
	return l.err
}

// breakers remembers the breakers that were opened.
type breakers struct {
	heals  map[string]facts.History
	opened []string
	err    error
}

func (b *breakers) Recall(context.Context, time.Time) (facts.Memory, error) {
	return facts.Memory{Subjects: b.heals}, b.err
}

func (b *breakers) OpenBreaker(_ context.Context, subject, reason string, at, until time.Time) error {
	b.opened = append(b.opened, fmt.Sprintf("%s for %s: %s", subject, until.Sub(at), reason))
	return b.err
}

// sequence returns one observation after the other, and then always the last.
type sequence struct {
	list []Observation
	n    int
}

func (l *sequence) observe(context.Context) (Observation, error) {
	o := l.list[min(l.n, len(l.list)-1)]
	l.n++
	return o, nil
}

// run plans with the first observation and runs the actions. Before each action it gets
// the next observation. settings opts web.service in to restarts. Waiting takes no real
// time.
func run(t *testing.T, m *manager, observations ...Observation) (actions []Action, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &sequence{list: observations}
		_, _ = l.observe(t.Context())
		e := Enforcer{Manager: m, Ledger: &ledger{}, Settings: settings, Observe: l.observe}
		start := time.Now()
		actions = e.Run(t.Context(), Plan(observations[0].Result.Decisions), observations[0])
		took = time.Since(start)
	})
	return actions, took
}

// want compares the status of each action, and the calls of the manager.
func want(t *testing.T, got []Action, m *manager, statuses []string, calls ...string) {
	t.Helper()
	var have []string
	for _, a := range got {
		have = append(have, a.Status)
		if (a.Status == Refused || a.Status == Failed) != (a.Message != "") {
			t.Errorf("%s %s is %s, with the message %q", a.Action, a.Subject, a.Status, a.Message)
		}
	}
	if d := cmp.Diff(statuses, have); d != "" {
		t.Errorf("statuses -want +got\n%s%+v", d, got)
	}
	if d := cmp.Diff(calls, m.calls); d != "" {
		t.Errorf("calls of the manager -want +got\n%s", d)
	}
}
