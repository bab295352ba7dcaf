package alerts

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// errSilent is the error of a sink that is down.
var errSilent = errors.New("connection refused")

// house is a history with sinks, and audits one after another.
type house struct {
	t      *testing.T
	store  *history.Store
	now    time.Time
	routes []notify.Route
	exit   int // of the audits
	host   string
	spool  string // "": audits send everything themselves
}

func newHouse(t *testing.T, routes ...notify.Route) *house {
	t.Helper()
	store, err := history.Open(t.Context(), t.TempDir(), noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &house{t: t, store: store, now: noon, routes: routes, host: "den"}
}

// audit records an audit with these findings, ten minutes after the last audit.
func (h *house) audit(found ...finding.Finding) []Notice { return h.healing(nil, found...) }

func (h *house) healing(healed []finding.Finding, found ...finding.Finding) []Notice {
	h.t.Helper()
	h.record(healed, found...)
	return h.run()
}

func (h *house) record(healed []finding.Finding, found ...finding.Finding) {
	h.t.Helper()
	h.now = h.now.Add(10 * time.Minute)
	_, err := h.store.Record(h.t.Context(), history.Audit{
		At: h.now, Mode: "observe", ExitCode: h.exit, PolicyDigest: "sha256:00", Document: &facts.Document{CollectedAt: h.now, Declared: &facts.Declared{}, Units: []facts.Unit{{Name: "web.service"}}},
		Findings: found, Healed: healed,
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) run() []Notice {
	h.t.Helper()
	occurrences, err := h.store.Occurrences(h.t.Context(), h.now.Add(-Memory), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	o := h.options()
	o.Occurrences = occurrences
	return Run(h.t.Context(), o)
}

func (h *house) options() Options {
	return Options{
		Outbox: h.store, Routes: h.routes, Now: h.now, Spool: h.spool,
		Host: h.host, User: "ada", Steps: func(d finding.Finding) []string { return []string{"Look at " + d.Subject} },
	}
}

// fake is a sink that keeps the alerts it is sent, as KIND INVARIANT SUBJECT
// SEVERITY.
type fake struct {
	name string
	err  error
	hang bool
	sent []string

	during func() // called while a message is sent; nil for nothing
}

func (f *fake) Name() string { return f.name }

func (f *fake) Send(ctx context.Context, a notify.Alert) error {
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if during := f.during; during != nil {
		f.during = nil
		during()
		f.during = during
	}
	if f.err == nil {
		f.sent = append(f.sent, a.Kind+" "+a.Invariant+" "+a.Subject+" "+a.Severity)
	}
	return f.err
}

// wasSent compares what the sink was sent since the last call.
func (f *fake) wasSent(t *testing.T, step string, want ...string) {
	t.Helper()
	if !slices.Equal(f.sent, want) {
		t.Errorf("%s: %s was sent\n got %q\nwant %q", step, f.name, f.sent, want)
	}
	f.sent = nil
}

func down(severity finding.Severity) finding.Finding {
	return finding.Finding{
		Invariant: "stack_running", Subject: "web.service", Effect: "block", Severity: severity,
		Message: "web.service is active, and its container web-app is exited",
		Runbook: "invariants/stack_running/stack_running.md", Evidence: map[string]any{"case": "exited"},
	}
}

func toHeal(outcome finding.Outcome) finding.Finding {
	f := down("ticket")
	f.Invariant, f.Effect, f.Outcome = "loaded_is_current", finding.Heal, outcome
	f.Evidence = map[string]any{"case": "file-changed"}
	return f
}
