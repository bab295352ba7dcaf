package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"stackpolicy/decide"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/policies"
)

// recorded reads a document of testdata/facts.
func recorded(t *testing.T, name string) *facts.Document {
	t.Helper()
	f, err := os.Open("../testdata/facts/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read(name, f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// builtin returns the built-in policies.
func builtin(t *testing.T) *decide.Policies {
	t.Helper()
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// single returns a policy folder with one host invariant and the given rule.
func single(t *testing.T, class, rule string) *decide.Policies {
	t.Helper()
	metadata := fmt.Sprintf(`# METADATA
# title: all is well
# description: A stand-in.
# schemas:
#   - input: schema.facts
# custom:
#   class: %s
#   severity: page
#   needs: [manager]
#   actions: [daemon-reload, restart]
#   runbook: stand_in.md
package stackpolicy.invariants.stand_in

`, class)
	p, err := decide.Load(t.Context(), fstest.MapFS{
		"invariants/stand_in/stand_in.rego": {Data: []byte(metadata + rule)},
		"invariants/stand_in/stand_in.md":   {Data: []byte("# stand_in\n\n## How to mend\n\n### any\n\n1. Look.\n")},
		"settings.yaml":                     {Data: []byte("settings: {restart: [web.service]}\n")},
	}, decide.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loaded returns a Load of policies that are already loaded.
func loaded(p *decide.Policies) func(context.Context) (*decide.Policies, error) {
	return func(context.Context) (*decide.Policies, error) { return p, nil }
}

// system is a source whose documents a test makes.
type system func() *facts.Document

func (s system) Collect(context.Context) (*facts.Document, error) { return s(), nil }

// always is a source of a system that does not change.
func always(doc *facts.Document) system { return func() *facts.Document { return doc } }

// file is a source of a recorded document.
func file(doc *facts.Document) Recorded {
	return func() (*facts.Document, error) { return doc, nil }
}

// run audits. An error fails the test.
func (a Audit) run(t *testing.T) *Report {
	t.Helper()
	result, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result.Report
}

// manager only counts its calls, and lets a test change the system.
type manager struct {
	enforce.Manager // nil: other actions panic
	calls           []string
	err             error
	does            func()
}

func (m *manager) did(call string) error {
	m.calls = append(m.calls, call)
	if m.does != nil {
		m.does()
	}
	return m.err
}

func (m *manager) Reload(context.Context) error { return m.did("daemon-reload") }

func (m *manager) ResetFailed(_ context.Context, unit string) error {
	return m.did("reset-failed " + unit)
}

func (m *manager) Restart(_ context.Context, unit string) error { return m.did("restart " + unit) }

// memory is a store that remembers its calls.
type memory struct {
	calls  []string
	record history.Audit
	heals  map[string]facts.History
	err    error
}

func (m *memory) Recall(context.Context, time.Time) (facts.Memory, error) {
	return facts.Memory{Subjects: m.heals}, m.err
}

func (m *memory) Intend(_ context.Context, a history.Action, _ *facts.Document) (int64, error) {
	return int64(len(m.calls) + 1), m.note("intend %s %s", a.Action, a.Subject)
}

func (m *memory) Conclude(_ context.Context, id int64, status, _ string, _ int64) error {
	return m.note("conclude %d %s", id, status)
}

func (m *memory) Verified(_ context.Context, id int64, healed bool, _ *facts.Document) error {
	return m.note("verified %d %v", id, healed)
}

func (m *memory) OpenBreaker(_ context.Context, subject, reason string, at, until time.Time) error {
	return m.note("breaker %s for %s: %s", subject, until.Sub(at), reason)
}

func (m *memory) Record(_ context.Context, a history.Audit) (history.Changes, error) {
	m.record = a
	return history.Changes{}, m.note("record %d", a.ExitCode)
}

func (m *memory) note(format string, args ...any) error {
	m.calls = append(m.calls, fmt.Sprintf(format, args...))
	return m.err
}

// enforced audits a system whose document is before until the manager has acted, and
// then after. Waiting takes no real time.
func enforced(t *testing.T, p *decide.Policies, m *manager, before, after *facts.Document, units ...string) *Report {
	t.Helper()
	var r *Report
	synctest.Test(t, func(t *testing.T) {
		now := before
		m.does = func() { now = after }
		r = Audit{Source: system(func() *facts.Document { return now }), Load: loaded(p), Manager: m, Store: &memory{}, Units: units}.run(t)
	})
	return r
}

func observed(t *testing.T, p *decide.Policies, doc *facts.Document, units ...string) *Report {
	t.Helper()
	return Audit{Source: file(doc), Load: loaded(p), Units: units}.run(t)
}

// gap lets a collector fail, so that its sections are absent.
func gap(doc *facts.Document, collector string) *facts.Document {
	doc.Collectors[collector] = facts.CollectorStatus{Error: "silent"}
	switch collector {
	case "systemd":
		doc.Manager = nil
		for i := range doc.Units {
			doc.Units[i].Loaded, doc.Units[i].Reload = nil, nil
		}
	case "files":
		doc.ManagerFiles = nil
		for i := range doc.Units {
			doc.Units[i].Files, doc.Units[i].Reload = []facts.File{}, nil
		}
	case "podman":
		doc.Podman, doc.AutoUpdate = nil, nil
		doc.Collectors["images"] = facts.CollectorStatus{Error: "rests on the podman collector: silent"}
	}
	return doc
}

// undecided returns the findings of the invariants that need one of the sections, each
// with the given suffix.
func undecided(p *decide.Policies, suffix string, sections ...string) (list []string) {
	for _, i := range p.Invariants() {
		if slices.ContainsFunc(i.Needs, func(need string) bool { return slices.Contains(sections, need) }) {
			list = append(list, "host "+i.ID+" block unknown"+suffix)
		}
	}
	return list
}

// findings returns "subject invariant effect severity[ outcome][ after ACTION]" of all
// findings except allows.
func findings(r *Report) []string {
	list := []string{}
	for _, d := range r.Decisions {
		if d.Effect == "allow" {
			continue
		}
		words := []string{d.Subject, d.Invariant, string(d.Effect), string(d.Severity)}
		if d.Outcome != "" {
			words = append(words, string(d.Outcome))
		}
		if after := d.AfterWhat(); after != "" {
			words = append(words, "after "+after)
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

func actions(r *Report) []string {
	list := []string{}
	for _, a := range r.Actions {
		list = append(list, string(a.Action)+" "+a.Subject+" "+a.Status)
	}
	return list
}

// encoded returns the report as JSON, and its keys.
func encoded(t *testing.T, r *Report) ([]byte, []string) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return b, slices.Sorted(maps.Keys(m))
}
