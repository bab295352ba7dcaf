package audit

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

const stale = "web.service loaded_is_current heal ticket "

// want compares findings, actions and exit status of a report.
func want(t *testing.T, r *Report, exit int, foundWant, actionsWant []string) {
	t.Helper()
	if d := cmp.Diff(foundWant, findings(r)); d != "" {
		t.Errorf("findings -want +got\n%s", d)
	}
	if d := cmp.Diff(actionsWant, actions(r)); d != "" {
		t.Errorf("actions -want +got\n%s", d)
	}
	if r.ExitCode != exit {
		t.Errorf("exit code %d, want %d; gaps %v", r.ExitCode, exit, r.Gaps)
	}
}

func TestObserving(t *testing.T) {
	p := builtin(t)
	activating := recorded(t, "stale")
	activating.Declared.Activation.State = "half-finished"
	noPodman := undecided(p, "", "podman", "storage", "units.containers")
	cases := map[string]struct {
		doc      *facts.Document
		exit     int
		findings []string
		actions  []string
	}{
		"all in order": {recorded(t, "good"), 0, []string{}, []string{}},
		"to heal":      {recorded(t, "stale"), 1, []string{stale + "planned"}, []string{"daemon-reload host planned"}},
		"page": {recorded(t, "page"), 2, []string{
			"web.service file_declared block page", "web.service loaded_is_current block ticket",
		}, []string{}},
		"gap": {recorded(t, "gap"), 3, noPodman, []string{}},
		"page and gap": {gap(recorded(t, "page"), "podman"), 2, append(slices.Clip(noPodman),
			"web.service file_declared block page", "web.service loaded_is_current block ticket"), []string{}},
		"gap and a heal": {gap(recorded(t, "stale"), "podman"), 3, append(slices.Clip(noPodman), stale+"planned"), []string{"daemon-reload host planned"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := observed(t, p, c.doc)
			want(t, r, c.exit, c.findings, c.actions)
			if r.Mode != "observe" || r.Schema != ReportSchema || r.Policy.Digest != p.Digest() || len(r.Policy.Invariants) != len(p.Invariants()) {
				t.Errorf("got %s, %s, %+v", r.Mode, r.Schema, r.Policy)
			}
			if !r.CollectedAt.Equal(c.doc.CollectedAt) {
				t.Errorf("collected at %s", r.CollectedAt)
			}
		})
	}
	t.Run("a refusal is foreseen", func(t *testing.T) {
		r := observed(t, p, activating)
		if got := actions(r); !cmp.Equal(got, []string{"daemon-reload host refused"}) || !strings.Contains(r.Actions[0].Message, "half-finished") {
			t.Errorf("got %v, %+v", got, r.Actions)
		}
	})
}

// TestEveryDecisionIsReported: also those that allow, so that a pass can be seen.
func TestEveryDecisionIsReported(t *testing.T) {
	r := observed(t, builtin(t), recorded(t, "good"))
	seen := map[string]bool{}
	for _, d := range r.Decisions {
		seen[d.Invariant] = true
	}
	for _, id := range r.Policy.Invariants {
		if !seen[id] {
			t.Errorf("%s is not among the decisions", id)
		}
	}
}

func TestEnforcing(t *testing.T) {
	p := builtin(t)
	reload, after := []string{"daemon-reload"}, " after daemon-reload"
	cases := map[string]struct {
		before, after *facts.Document
		err           error // of the manager
		exit          int
		findings      []string
		status        string
		calls         []string
		gaps          []string
	}{
		"healed": {
			before: recorded(t, "stale"), after: recorded(t, "good"), exit: 0,
			findings: []string{stale + "healed"}, status: "done", calls: reload,
		},
		"the finding stays": {
			before: recorded(t, "stale"), after: recorded(t, "stale"), exit: 2,
			findings: []string{stale + "heal-failed"}, status: "done", calls: reload,
		},
		"undecidable after": {
			before: recorded(t, "stale"), after: gap(recorded(t, "good"), "files"), exit: 2,
			findings: append([]string{stale + "heal-failed"}, undecided(p, after, "units.files", "units.reload", "manager_files", "units.applied")...),
			status:   "done", calls: reload, gaps: []string{"files"},
		},
		"something else appears": {
			before: recorded(t, "stale"), after: recorded(t, "page"), exit: 2,
			findings: []string{
				stale + "heal-failed", "web.service file_declared block page after daemon-reload",
				"web.service loaded_is_current block page after daemon-reload",
			}, status: "done", calls: reload,
		},
		"a gap appears": {
			before: recorded(t, "stale"), after: recorded(t, "gap"), exit: 3,
			findings: append([]string{stale + "healed"}, undecided(p, after, "podman", "storage", "units.containers")...),
			status:   "done", calls: reload, gaps: []string{"images", "podman", "storage"},
		},
		"the manager errs": {
			before: recorded(t, "stale"), after: recorded(t, "stale"), err: errors.New("no answer"), exit: 2,
			findings: []string{stale + "heal-failed"}, status: "failed", calls: reload,
		},
		"it errs, and it is in order all the same": { // somebody else may have reloaded
			before: recorded(t, "stale"), after: recorded(t, "good"), err: errors.New("no answer"), exit: 2,
			findings: []string{stale + "heal-failed"}, status: "failed", calls: reload,
		},
		"refused": {
			before: func() *facts.Document {
				doc := recorded(t, "stale")
				doc.Manager.State = "degraded"
				doc.Declared.Activation.State = "running"
				return doc
			}(), exit: 1,
			findings: []string{stale + "refused"}, status: "refused",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{err: c.err}
			r := enforced(t, p, m, c.before, c.after)
			found := findings(r)
			if name == "refused" { // the activation itself is a ticket too
				found = found[len(found)-1:]
			}
			if d := cmp.Diff(c.findings, found); d != "" {
				t.Errorf("findings -want +got\n%s", d)
			}
			if d := cmp.Diff([]string{"daemon-reload host " + c.status}, actions(r)); d != "" {
				t.Errorf("actions -want +got\n%s", d)
			}
			if d := cmp.Diff(c.calls, m.calls); d != "" {
				t.Errorf("calls of the manager -want +got\n%s", d)
			}
			if r.ExitCode != c.exit || r.Mode != "enforce" {
				t.Errorf("exit code %d in mode %s, want %d", r.ExitCode, r.Mode, c.exit)
			}
			var gaps []string
			for _, g := range r.Gaps {
				gaps = append(gaps, g.Collector)
			}
			if d := cmp.Diff(c.gaps, gaps); d != "" {
				t.Errorf("gaps -want +got\n%s", d)
			}
		})
	}
}

// TestNothingToDoTouchesNothing: without an action, facts are collected only once.
func TestNothingToDoTouchesNothing(t *testing.T) {
	for _, name := range []string{"good", "page", "gap"} {
		m, collected := &manager{}, 0
		doc := recorded(t, name)
		a := Audit{Source: system(func() *facts.Document { collected++; return doc }), Load: loaded(builtin(t)), Manager: m, Store: &memory{}}
		if _, err := a.Run(t.Context()); err != nil || len(m.calls) > 0 || collected != 1 {
			t.Errorf("%s: %v, calls %v, %d collections", name, err, m.calls, collected)
		}
	}
}

// TestARecordedDocumentIsNeverActedOn, even if there is a manager.
func TestARecordedDocumentIsNeverActedOn(t *testing.T) {
	m := &manager{}
	r := Audit{Source: file(recorded(t, "stale")), Load: loaded(builtin(t)), Manager: m, Store: &memory{}}.run(t)
	if len(m.calls) > 0 || r.Mode != "observe" || r.ExitCode != 1 {
		t.Errorf("calls %v, %+v", m.calls, r)
	}
}

// TestWorseAfterwardsIsSeen: a ticket that became a page is reported as a page.
func TestWorseAfterwardsIsSeen(t *testing.T) {
	p := single(t, "unit", `
finding contains {
	"subject": "web.service", "effect": "heal", "severity": "ticket",
	"message": "stale", "evidence": {"case": "any"}, "action": "restart",
} if input.manager.version == "stale"

finding contains {
	"subject": "files.service", "effect": "block", "severity": severity,
	"message": "down", "evidence": {"case": "any"},
} if {
	severity := {"stale": "ticket", "worse": "page", "same": "ticket"}[input.manager.version]
}
`)
	version := func(v string) *facts.Document {
		doc := recorded(t, "good")
		doc.Manager.Version = v
		return doc
	}
	healed, ticket := "web.service stand_in heal ticket healed", "files.service stand_in block ticket"
	cases := map[string]struct {
		after    string
		err      error
		exit     int
		findings []string
	}{
		"as bad":        {"same", nil, 1, []string{ticket, healed}},
		"worse":         {"worse", nil, 2, []string{ticket, healed, "files.service stand_in block page after restart"}},
		"gone":          {"fine", nil, 1, []string{ticket, healed}},
		"after a fault": {"worse", errors.New("no"), 2, []string{ticket, "web.service stand_in heal ticket heal-failed", "files.service stand_in block page after restart"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{err: c.err}
			r := enforced(t, p, m, version("stale"), version(c.after))
			status := "done"
			if c.err != nil {
				status = "failed"
			}
			want(t, r, c.exit, c.findings, []string{"restart web.service " + status})
		})
	}
}

// TestWithoutASecondObservationNothingIsHealed: if the audit is interrupted after
// acting, the report is still written, and says what is not known.
func TestWithoutASecondObservationNothingIsHealed(t *testing.T) {
	p := builtin(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &manager{does: cancel}
		doc := recorded(t, "stale")
		result, err := Audit{Source: always(doc), Load: loaded(p), Manager: m, Store: &memory{}}.Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := result.Report
		want(t, r, 2, []string{stale + "heal-failed"}, []string{"daemon-reload host done"})
		if len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Error, "could not collect again after acting") {
			t.Errorf("gaps %+v", r.Gaps)
		}
	})
}

// TestTheSameDocumentGivesTheSameBytes, also after the policies were loaded again.
func TestTheSameDocumentGivesTheSameBytes(t *testing.T) {
	for _, name := range []string{"good", "stale", "page", "gap"} {
		var first []byte
		for range 5 {
			got, _ := encoded(t, observed(t, builtin(t), recorded(t, name)))
			if first == nil {
				first = got
			}
			if !bytes.Equal(got, first) {
				t.Fatalf("%s:\n%s\nand\n%s", name, first, got)
			}
		}
	}
}
