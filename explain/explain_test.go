package explain

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/policies"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func builtIn(t *testing.T) *decide.Policies {
	t.Helper()
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checked loads with every check of an operator's folder: a copy must pass them too.
func checked(ctx context.Context, source policy.Source) (*decide.Policies, error) {
	return decide.LoadSource(ctx, source, decide.Options{})
}

func recorded(t *testing.T, name string, at time.Time) *facts.Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/facts", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := facts.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	doc.CollectedAt = at
	return doc
}

func findings(t *testing.T, p *decide.Policies, doc *facts.Document) (list []finding.Finding) {
	t.Helper()
	result, err := p.Decide(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range result.Decisions {
		if !d.IsAllowed() {
			list = append(list, d)
		}
	}
	return list
}

// TestRuleThatFired: of several rules only the one that gave the finding is left.
func TestRuleThatFired(t *testing.T) {
	p := builtIn(t)
	seen := map[string]bool{}
	for _, name := range []string{"page", "stale", "gap"} {
		doc := recorded(t, name, noon)
		for _, e := range Of(t.Context(), findings(t, p, doc), p, doc, checked) {
			if isGap := e.Decision.IsGap(); e.AllRules != (isGap && len(e.Invariant.Rules) > 1) {
				t.Errorf("%s: %s %s: gap %t, all rules %t of %d", name, e.Decision.Invariant, e.Decision.Case(), isGap, e.AllRules, len(e.Invariant.Rules))
			}
			if len(e.Rules) == 1 && len(e.Invariant.Rules) > 1 {
				seen[e.Decision.Invariant] = true
			}
		}
	}
	if !seen["file_declared"] || !seen["loaded_is_current"] {
		t.Errorf("the rule was found of %v only", seen)
	}
}

const twoRules = `# METADATA
# title: the account has a name
# description: Its home too.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: [user]
#   actions: []
#   runbook: named.md
package stackpolicy.invariants.named

finding contains {"subject": "host", "effect": "block", "message": why, "evidence": {"case": "name"}} if {
	input.user.name == "ada"
	why := reason
}

finding contains {"subject": "host", "effect": "block", "message": why, "evidence": {"case": "home"}} if {
	input.user.home == "/home/ada"
	why := reason
}

finding contains {"subject": "host", "effect": "block", "message": "both", "evidence": {"case": "both"}} if {
	input.user.name == "ada"
}

finding contains {"subject": "host", "effect": "block", "message": "both", "evidence": {"case": "both"}} if {
	input.user.home == "/home/ada"
}

finding contains {"subject": "host", "effect": "block", "message": "other", "evidence": {"case": "both"}} if {
	input.user.home == "/home/ada"
}

reason := "it is ada's"
`

// TestRuleOfAnOperator: the copies are as the folder is, and where two rules give the same
// finding both are reported. If the copies cannot be loaded, all are, and it says so.
func TestRuleOfAnOperator(t *testing.T) {
	main, err := policies.FS.ReadFile("main.rego")
	if err != nil {
		t.Fatal(err)
	}
	p, err := decide.Load(t.Context(), fstest.MapFS{
		"main.rego": {Data: main}, "invariants/named/named.rego": {Data: []byte(twoRules)},
		"invariants/named/named.md": {Data: []byte("# named\n\n## What it means\nx\n\n## What it puts at risk\nx\n\n## How to look\n- x\n\n## How to mend\n### any\n1. x\n")},
	}, decide.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc := &facts.Document{
		Schema: facts.Schema, CollectedAt: noon, User: &facts.User{Name: "ada", Home: "/home/ada"},
		Collectors: map[string]facts.CollectorStatus{"user": {OK: true}},
	}
	lines := func(load Load) map[string][]int {
		got := map[string][]int{}
		for _, e := range Of(t.Context(), findings(t, p, doc), p, doc, load) {
			for _, rule := range e.Rules {
				name := e.Decision.Case()
				if e.Decision.Message == "other" {
					name = "other"
				}
				got[name] = append(got[name], rule.Line)
			}
			if e.AllRules != (len(e.Rules) == 5) {
				t.Errorf("%s: all %t of %d", e.Decision.Case(), e.AllRules, len(e.Rules))
			}
		}
		return got
	}
	if got, want := lines(checked), map[string][]int{"name": {14}, "home": {19}, "both": {24, 28}, "other": {32}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	all := []int{14, 19, 24, 28, 32}
	broken := func(context.Context, policy.Source) (*decide.Policies, error) { return nil, errors.New("broken") }
	if got, want := lines(broken), map[string][]int{"name": all, "home": all, "both": all, "other": all}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSince: with a document alone, its memory says since when a finding of the case is open.
func TestSince(t *testing.T) {
	since := noon.Add(-time.Hour)
	open := []facts.OpenFinding{{Invariant: "a", Case: "x", Since: since}}
	doc := &facts.Document{
		Units:   []facts.Unit{{Name: "web.service", History: &facts.History{Findings: open}}},
		History: &facts.HostHistory{Findings: open, Others: map[string]facts.History{"gone.service": {Findings: open}}},
	}
	of := func(subject, invariant, kind string, effect finding.Effect) time.Time {
		return sinceOf(doc, finding.Finding{Invariant: invariant, Subject: subject, Effect: effect, Evidence: map[string]any{"case": kind}})
	}
	for _, subject := range []string{"web.service", finding.Host, "gone.service"} {
		if got := of(subject, "a", "x", finding.Block); !got.Equal(since) {
			t.Errorf("%s: %s", subject, got)
		}
		if got := of(subject, "a", "y", finding.Block); !got.IsZero() {
			t.Errorf("another case of %s: %s", subject, got)
		}
	}
	if got := of("web.service", "a", "x", finding.Allow); !got.IsZero() {
		t.Errorf("one that holds: %s", got)
	}
	if got := of("db.service", "a", "x", finding.Block); !got.IsZero() {
		t.Errorf("another unit: %s", got)
	}
}

// memory records audits, 15 minutes apart.
type memory struct {
	t     *testing.T
	store *history.Store
	rules *decide.Policies
	at    time.Time
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	store, err := history.Open(t.Context(), t.TempDir(), noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &memory{t, store, builtIn(t), noon}
}

// audit records the document after a change to it, and returns its findings.
func (m *memory) audit(name, digest string, change func(*facts.Document)) []finding.Finding {
	m.t.Helper()
	m.at = m.at.Add(15 * time.Minute)
	doc := recorded(m.t, name, m.at)
	if change != nil {
		change(doc)
	}
	found := findings(m.t, m.rules, doc)
	if _, err := m.store.Record(m.t.Context(), history.Audit{At: m.at, PolicyDigest: digest, Document: doc, Findings: found}); err != nil {
		m.t.Fatal(err)
	}
	return found
}

// before is what changed before the finding of an invariant about web.service.
func (m *memory) before(found []finding.Finding, invariant string) Explanation {
	m.t.Helper()
	list := []Explanation{}
	for _, f := range found {
		if f.Invariant == invariant && f.Subject == "web.service" {
			list = append(list, Explanation{Decision: f})
		}
	}
	if len(list) != 1 {
		m.t.Fatalf("%d findings of %s", len(list), invariant)
	}
	if err := Remember(m.t.Context(), list, m.store, m.at); err != nil {
		m.t.Fatal(err)
	}
	return list[0]
}

func web(doc *facts.Document) *facts.Unit { return unit(doc, "web.service") }

func failed(doc *facts.Document) {
	u := web(doc)
	u.Loaded.ActiveState, u.Loaded.SubState, u.Loaded.Result = "failed", "failed", "exit-code"
}

// TestWhatChangedBefore: the two audits around the first sight are compared, however often the
// finding was seen since; what did not change is not told.
func TestWhatChangedBefore(t *testing.T) {
	m := newMemory(t)
	m.audit("good", "1", nil)
	m.audit("good", "1", nil)
	last, boot := m.at, noon.Add(20*time.Minute)
	id, err := m.store.Intend(t.Context(), history.Action{At: last.Add(time.Minute), Action: finding.DaemonReload, Subject: finding.Host}, nil)
	if err == nil {
		err = m.store.Conclude(t.Context(), id, history.Done, "", 5)
	}
	if err == nil { // another unit's
		_, err = m.store.Intend(t.Context(), history.Action{At: last.Add(time.Minute), Action: finding.Restart, Subject: "media.service"}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	change := func(doc *facts.Document) {
		failed(doc)
		doc.Declared.Generation = "/nix/store/new"
		doc.Manager.LoadedAt = boot
		doc.Host.PackagesAt = &boot
		u := web(doc)
		u.Files[0].Digest, u.Files[0].ChangedAt = "sha256:new", &boot
	}
	m.audit("good", "2", change)
	first := m.at
	if _, err := m.store.Intend(t.Context(), history.Action{At: first.Add(time.Minute), Action: finding.DaemonReload, Subject: finding.Host}, nil); err != nil {
		t.Fatal(err) // after it
	}
	found := m.audit("good", "2", func(doc *facts.Document) {
		change(doc)
		doc.Manager.LoadedAt = boot.Add(time.Hour) // later: not before it
	})
	e := m.before(found, "unit_not_failed")
	if !e.Since.Equal(first) || e.Before == nil || !e.Before.From.Equal(last) || !e.Before.To.Equal(first) {
		t.Fatalf("since %s, %+v; want from %s to %s", e.Since, e.Before, last, first)
	}
	var got []string
	for _, c := range e.Before.Changes {
		got = append(got, c.What)
	}
	if want := "generation file rules action packages manager"; strings.Join(got, " ") != want || e.Before.Left < 1 {
		t.Errorf("got %q and %d more, want %q: %+v", got, e.Before.Left, want, e.Before.Changes)
	}
	if c := e.Before.Changes[1]; c.At == nil || !c.At.Equal(boot) || !strings.HasSuffix(c.Text, "web.service changed") {
		t.Errorf("the file: %+v", c)
	}
}

// TestNothingChangedBefore: what is not known is said, and nothing is invented.
func TestNothingChangedBefore(t *testing.T) {
	t.Run("at the first audit", func(t *testing.T) {
		m := newMemory(t)
		e := m.before(m.audit("good", "1", failed), "unit_not_failed")
		if e.Before == nil || !e.Before.From.IsZero() || e.Before.Unknown == "" || len(e.Before.Changes) > 0 {
			t.Errorf("got %+v", e.Before)
		}
	})
	t.Run("not recorded yet", func(t *testing.T) {
		m := newMemory(t)
		m.audit("good", "1", nil)
		doc := recorded(t, "good", m.at)
		failed(doc)
		if e := m.before(findings(t, m.rules, doc), "unit_not_failed"); e.Before != nil || !e.Since.IsZero() {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("an audit that could not begin", func(t *testing.T) {
		m := newMemory(t)
		m.audit("good", "1", nil)
		last := m.at
		if err := m.store.RecordFailure(t.Context(), m.at.Add(time.Minute), "no manager"); err != nil {
			t.Fatal(err)
		}
		e := m.before(m.audit("good", "1", failed), "unit_not_failed")
		if e.Before == nil || !e.Before.From.Equal(last) || len(e.Before.Changes) == 0 {
			t.Errorf("got %+v", e.Before)
		}
	})
}

// TestFilesOfADocument: which changes of a unit's files are reported.
func TestFilesOfADocument(t *testing.T) {
	f := func(change string) facts.File {
		out := facts.File{Path: "/a", Role: "fragment", State: "declared", Digest: "1", Target: "/nix/a"}
		if err := json.Unmarshal([]byte(change), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	cases := map[string]struct {
		was, is []facts.File
		want    string
	}{
		"the same":    {[]facts.File{f(`{}`)}, []facts.File{f(`{"link_mtime":"2026-05-04T12:00:00Z"}`)}, ""},
		"new":         {nil, []facts.File{f(`{"state":"undeclared"}`)}, "/a is new: undeclared"},
		"gone":        {[]facts.File{f(`{}`)}, nil, "/a is gone"},
		"replaced":    {[]facts.File{f(`{}`)}, []facts.File{f(`{"state":"different"}`)}, "/a: different, before declared"},
		"edited":      {[]facts.File{f(`{}`)}, []facts.File{f(`{"digest":"2"}`)}, "/a changed"},
		"another way": {[]facts.File{f(`{}`)}, []facts.File{f(`{"target":"/nix/b"}`)}, "/a changed"},
	}
	for name, c := range cases {
		d := &difference{}
		d.files(c.was, c.is)
		var got []string
		for _, r := range d.all {
			got = append(got, r.Text)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
