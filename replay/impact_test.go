package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/policies"
)

// edited are the built-in policies with a text in a file replaced.
func edited(t *testing.T, file, old, other string) *decide.Policies {
	t.Helper()
	source := policy.Open(policies.FS, "")
	found := false
	for i, f := range source.Files {
		if f.Name == file && bytes.Contains(f.Text, []byte(old)) {
			source.Files[i].Text, found = bytes.Replace(f.Text, []byte(old), []byte(other), 1), true
		}
	}
	if !found {
		t.Fatalf("%s has no %q", file, old)
	}
	return must(decide.LoadSource(t.Context(), source, decide.Options{Trusted: true}))(t)
}

func (r *recorder) impact(after *decide.Policies) Impact {
	r.t.Helper()
	with := must(Compare(r.t.Context(), Of(r.store), r.rules, after, Options{Load: loadTrusted, Strips: true}))(r.t)
	without := must(Compare(r.t.Context(), Of(r.store), r.rules, after, Options{Load: loadTrusted}))(r.t)
	without.Strips = with.Strips
	if d := cmp.Diff(with, without); d != "" {
		r.t.Errorf("-with strips +without\n%s", d)
	}
	return with
}

// lines are the changes of an impact, a line each.
func (i Impact) lines() string {
	var lines []string
	for _, f := range i.Findings {
		lines = append(lines, fmt.Sprintf("%s %s of %s: %q %q in %d", f.Change, f.Invariant, f.Subject, f.Before, f.After, f.Audits))
	}
	for _, a := range i.Alerts {
		lines = append(lines, fmt.Sprintf("alert %s: %s %s of %s", a.At.Sub(noon), a.Change, a.Invariant, a.Subject))
	}
	for _, a := range i.Actions {
		lines = append(lines, fmt.Sprintf("action %s: %s %s of %s, %t", a.At.Sub(noon), a.Change, a.Action, a.Subject, a.Certain))
	}
	return strings.Join(lines, "\n")
}

const staleRule = "invariants/loaded_is_current/loaded_is_current.rego"

// TestImpact: edits of rules, and what they would have changed in audits of ten minutes each:
// good, stale, stale, good, page.
func TestImpact(t *testing.T) {
	enforce := func(a *history.Audit) { a.Mode = "enforce" }
	for name, c := range map[string]struct {
		after func(*testing.T) *decide.Policies
		mode  func(*history.Audit)
		want  string
		exact time.Duration // 0: until the end
	}{
		"the same rules": {rules, nil, "", 0},
		"a heal that is made an alert": {
			func(t *testing.T) *decide.Policies {
				return edited(t, staleRule, `"effect": "heal"`, `"effect": "block"`)
			}, nil,
			`effect loaded_is_current of web.service: "heal/ticket" "block/ticket" in 2`, 0,
		},
		"the same, where it would have been healed": {
			func(t *testing.T) *decide.Policies {
				return edited(t, staleRule, `"effect": "heal"`, `"effect": "block"`)
			}, enforce,
			`effect loaded_is_current of web.service: "heal/ticket" "block/ticket" in 2
action 20m0s: gone daemon-reload of host, true
action 30m0s: gone daemon-reload of host, false`, 20 * time.Minute,
		},
		"another severity": {
			func(t *testing.T) *decide.Policies {
				return edited(t, staleRule, `"severity": "ticket"`, `"severity": "page"`)
			}, nil,
			`severity loaded_is_current of web.service: "heal/ticket" "heal/page" in 2
alert 20m0s: new loaded_is_current of web.service
alert 20m0s: gone loaded_is_current of web.service`, 0,
		},
		"a rule that finds nothing": {
			func(t *testing.T) *decide.Policies {
				return edited(t, staleRule, `unit.managed_by != ""`, `unit.managed_by == "nobody"`)
			}, nil,
			`gone loaded_is_current of web.service: "heal/ticket" "" in 2
alert 20m0s: gone loaded_is_current of web.service`, 0,
		},
		"a rule that finds more": {
			func(t *testing.T) *decide.Policies {
				return edited(t, "invariants/linger_enabled/linger_enabled.rego", "not input.user.linger", "input.user.linger")
			}, nil,
			`new linger_enabled of host: "" "block/page" in 5
alert 10m0s: new linger_enabled of host`, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			for _, doc := range []string{"good", "stale", "stale", "good", "good"} {
				r.audit(doc, c.mode)
			}
			i := r.impact(c.after(t))
			if got := i.lines(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			exact := r.at
			if c.exact > 0 {
				exact = noon.Add(c.exact)
			}
			if i.Audits != 5 || !i.ExactUntil.Equal(exact) || len(i.Unknown) != 0 || i.IsNone() != (c.want == "") {
				t.Errorf("got %+v", i)
			}
		})
	}
}

// What is back before an alert would have said that it is resolved is the same incident.
func TestIncidents(t *testing.T) {
	found := func(yes bool) (r decide.Result) {
		if yes {
			r.Decisions = []finding.Finding{{Invariant: "a", Subject: "b", Effect: finding.Block, Severity: finding.Page}}
		}
		return r
	}
	seen := incidents{}
	for _, c := range []struct {
		at    time.Duration
		found bool
		want  int
	}{{0, true, 1}, {10, true, 0}, {600, true, 0}, {601, false, 0}, {605, true, 0}, {606, false, 0}, {640, false, 0}, {650, true, 1}} {
		if got := seen.see(noon.Add(c.at*time.Minute), found(c.found)); len(got) != c.want {
			t.Errorf("after %d minutes %d begin, want %d", c.at, len(got), c.want)
		}
	}
}

// An action that ran is compared on the facts before it, which the audit itself has healed.
func TestImpactOfRecordedActions(t *testing.T) {
	r := newRecorder(t)
	r.audit("good", nil)
	at := r.at.Add(5 * time.Minute)
	id := must(r.store.Intend(t.Context(), history.Action{At: at, Action: finding.DaemonReload, Subject: finding.Host}, document(t, "stale", at)))(t)
	if err := r.store.Conclude(t.Context(), id, history.Done, "", 7); err != nil {
		t.Fatal(err)
	}
	r.audit("good", func(a *history.Audit) { a.Mode = "enforce" })
	if got := r.impact(r.rules); !got.IsNone() || len(got.Unknown) != 0 {
		t.Errorf("the same rules: %s, %+v", got.lines(), got.Unknown)
	}
	got := r.impact(edited(t, staleRule, `"effect": "heal"`, `"effect": "block"`))
	if got.lines() != "action 15m0s: gone daemon-reload of host, true" || !got.ExactUntil.Equal(at) {
		t.Errorf("got %s until %s", got.lines(), got.ExactUntil)
	}
}

// The rules of then are what other rules are compared with.
func TestImpactComparesWithTheRulesOfThen(t *testing.T) {
	r := newRecorder(t)
	r.rules = edited(t, staleRule, `"effect": "heal"`, `"effect": "block"`)
	r.audit("stale", nil)
	i := must(Compare(t.Context(), Of(r.store), rules(t), rules(t), Options{Load: loadTrusted}))(t)
	if got := i.lines(); got != `effect loaded_is_current of web.service: "block/ticket" "heal/ticket" in 1` {
		t.Errorf("got %s", got)
	}
	if text, err := json.Marshal(i); err != nil || !strings.Contains(string(text), `"schema":"stackpolicy.impact/v1"`) || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

func loadTrusted(ctx context.Context, _ string, files []policy.File) (*decide.Policies, error) {
	return decide.LoadSource(ctx, policy.Source{Files: files}, decide.Options{Trusted: true})
}

// Where the rules of then are not kept, the present ones count as theirs, and that is said.
// Where they are kept and cannot be used, nothing is said about the audit.
func TestImpactWithoutTheRulesOfThen(t *testing.T) {
	other := edited(t, staleRule, `"effect": "heal"`, `"effect": "block"`)
	r := newRecorder(t)
	r.audit("stale", func(a *history.Audit) { a.Rules = nil })
	if i := r.impact(other); i.Assumed != 1 || len(i.Findings) != 1 || len(i.Unknown) != 0 {
		t.Errorf("not kept: %+v", i)
	}
	r = newRecorder(t)
	r.audit("stale", func(a *history.Audit) { a.Rules = func() ([]byte, error) { return []byte("{"), nil } })
	if i := r.impact(other); i.Assumed != 0 || len(i.Findings) != 0 || len(i.Unknown) != 1 {
		t.Errorf("damaged: %+v", i)
	}
	r = newRecorder(t)
	r.audit("stale", nil)
	refuse := func(context.Context, string, []policy.File) (*decide.Policies, error) {
		return nil, errors.New("refused")
	}
	i := must(Compare(t.Context(), Of(r.store), r.rules, other, Options{Load: refuse}))(t)
	if i.Assumed != 0 || len(i.Findings) != 0 || len(i.Unknown) != 1 || !strings.Contains(i.Unknown[0].Reason, "refused") {
		t.Errorf("refused: %+v", i)
	}
}

// TestStrips: the verdict of an audit lasts until the next one, and not long without one.
func TestStrips(t *testing.T) {
	r := newRecorder(t)
	for _, doc := range []string{"good", "stale", "stale", "stale", "good"} {
		r.audit(doc, nil)
	}
	r.at = r.at.Add(5 * time.Hour)
	r.audit("good", nil)
	i := r.impact(edited(t, staleRule, `unit.managed_by != ""`, `unit.managed_by == "nobody"`))
	shown := map[string]string{}
	for _, s := range i.Strips {
		for k, list := range [][]Spell{s.Before, s.After} {
			text := []string{}
			for _, spell := range list {
				text = append(text, fmt.Sprintf("%d %s-%s", spell.Level, spell.From.Sub(noon), spell.To.Sub(noon)))
			}
			shown[fmt.Sprint(s.Subject, k)] = strings.Join(text, ", ")
		}
	}
	for subject, want := range map[string]string{
		"web.service0": "0 10m0s-20m0s, 1 20m0s-50m0s, 0 50m0s-1h14m0s, 0 6h0m0s-6h24m0s",
		"web.service1": "0 10m0s-1h14m0s, 0 6h0m0s-6h24m0s",
	} {
		if shown[subject] != want {
			t.Errorf("%s: %s, want %s", subject, shown[subject], want)
		}
	}
	if i.Strips[0].Subject != finding.Host {
		t.Errorf("the first one is of %s", i.Strips[0].Subject)
	}
}
