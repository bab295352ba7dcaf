package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/policies"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func rules(t *testing.T) *decide.Policies {
	t.Helper()
	return must(decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true}))(t)
}

func document(t *testing.T, name string, at time.Time) *facts.Document {
	t.Helper()
	doc := must(facts.Decode(must(os.ReadFile("../testdata/facts/" + name + ".json"))(t)))(t)
	doc.CollectedAt = at
	return doc
}

// recorder is a history, and the policies of its audits.
type recorder struct {
	t     *testing.T
	store *history.Store
	rules *decide.Policies
	at    time.Time
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	store := must(history.Open(t.Context(), t.TempDir(), noon))(t)
	t.Cleanup(func() { store.Close() })
	return &recorder{t, store, rules(t), noon}
}

// audit records an audit ten minutes after the last one, as the program does. change changes
// what is recorded.
func (r *recorder) audit(name string, change func(*history.Audit)) {
	r.t.Helper()
	r.at = r.at.Add(10 * time.Minute)
	doc := document(r.t, name, r.at)
	result := must(r.rules.Decide(r.t.Context(), doc))(r.t)
	a := history.Audit{
		At: r.at, Mode: "observe", PolicyDigest: r.rules.Digest(), Document: doc, Verdict: result.Digest(),
		Rules: func() ([]byte, error) { return json.Marshal(r.rules.Source().Files) },
	}
	for _, f := range result.Decisions {
		if !f.IsAllowed() {
			a.Findings = append(a.Findings, f)
		}
	}
	if change != nil {
		change(&a)
	}
	must(r.store.Record(r.t.Context(), a))(r.t)
}

func (r *recorder) replay(o Options) Result {
	r.t.Helper()
	if o.Load == nil {
		o.Load = func(ctx context.Context, _ string, files []policy.File) (*decide.Policies, error) {
			return decide.LoadSource(ctx, policy.Source{Files: files}, decide.Options{Trusted: true})
		}
	}
	return must(Run(r.t.Context(), Of(r.store), o))(r.t)
}

func TestTheSame(t *testing.T) {
	r := newRecorder(t)
	for _, name := range []string{"good", "good", "stale", "page", "page", "gap", "good"} {
		r.audit(name, nil)
	}
	steps := 0
	got := r.replay(Options{Progress: func(done, of int) { steps++ }})
	if got.Audits != 7 || got.Same != 7 || got.Documents != 4 || len(got.Differences)+len(got.Unknown) != 0 || steps < 5 {
		t.Errorf("got %+v in %d steps", got, steps)
	}
	if !got.Until.Equal(r.at) {
		t.Errorf("until %s, want %s", got.Until, r.at)
	}
	if got := r.replay(Options{Since: r.at}); got.Audits != 1 {
		t.Errorf("since the last audit: %+v", got)
	}
}

// Rules that find more or less than those of then are reported, with the findings.
func TestOtherRules(t *testing.T) {
	r := newRecorder(t)
	r.audit("good", nil)
	r.audit("page", nil)
	all := r.replay(Options{Present: r.rules})
	if all.Same != 2 {
		t.Fatalf("the same rules: %+v", all)
	}
	some := r.replay(Options{Present: r.rules.Only("linger_enabled")})
	if some.Same != 1 || len(some.Differences) != 1 {
		t.Fatalf("got %+v", some)
	}
	for _, c := range some.Differences[0].Findings {
		if c.Change != "gone" || c.Message == "" {
			t.Errorf("got %+v", c)
		}
	}
	if len(some.Differences[0].Findings) == 0 {
		t.Error("no finding is gone")
	}
}

// What was recorded otherwise than it is decided is different: a finding more, one less, or
// the same ones with other words.
func TestDifferent(t *testing.T) {
	r := newRecorder(t)
	r.audit("page", func(a *history.Audit) { a.Verdict, a.Findings = "sha256:00", a.Findings[:len(a.Findings)-1] })
	r.audit("page", func(a *history.Audit) {
		a.Verdict = "sha256:01"
		a.Findings = append(a.Findings, finding.Finding{Invariant: "gone_since", Subject: finding.Host, Effect: finding.Block, Severity: finding.Page, Message: "m", Evidence: map[string]any{}})
	})
	r.audit("page", func(a *history.Audit) { a.Verdict = "sha256:02" })
	got := r.replay(Options{})
	if len(got.Differences) != 3 || got.Same != 0 {
		t.Fatalf("got %+v", got)
	}
	var changes []string
	for _, d := range got.Differences {
		text := []string{}
		for _, c := range d.Findings {
			text = append(text, c.Change+" "+c.Invariant)
		}
		changes = append(changes, strings.Join(text, ","))
	}
	if !strings.HasPrefix(changes[0], "new ") || changes[1] != "gone gone_since" || changes[2] != "" {
		t.Errorf("got %q", changes)
	}
}

// What cannot be decided again is never taken for the same.
func TestUnknown(t *testing.T) {
	refused := errors.New("no METADATA")
	for name, c := range map[string]struct {
		record func(*history.Audit)
		load   func(context.Context, string, []policy.File) (*decide.Policies, error)
		want   string
	}{
		"no rules":          {record: func(a *history.Audit) { a.Rules = nil }, want: "are not kept"},
		"no verdict":        {record: func(a *history.Audit) { a.Verdict = "" }, want: "earlier version"},
		"rubbish for rules": {record: func(a *history.Audit) { a.Rules = func() ([]byte, error) { return []byte("{"), nil } }, want: "JSON"},
		"other rules":       {record: func(a *history.Audit) { a.PolicyDigest = "sha256:00" }, want: "not what was kept"},
		"refused rules": {
			load: func(context.Context, string, []policy.File) (*decide.Policies, error) { return nil, refused },
			want: "cannot be loaded any more: no METADATA",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			for range 2 {
				r.audit("good", c.record)
			}
			got := r.replay(Options{Load: c.load})
			if got.Same != 0 || len(got.Unknown) != 1 || got.Unknown[0].Audits != 2 || !strings.Contains(got.Unknown[0].Reason, c.want) {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
	r := newRecorder(t)
	r.audit("good", nil)
	r.audit("page", nil)
	for i := range 50 { // documents are forgotten when there is no room
		r.audit("good", func(a *history.Audit) { a.Document.Units[0].Name = fmt.Sprintf("u%d.service", i) })
	}
	if err := r.store.Prune(t.Context(), r.at, 1000*time.Hour, 1); err != nil {
		t.Fatal(err)
	}
	if got := r.replay(Options{}); len(got.Unknown) == 0 && got.Audits > 1 {
		t.Errorf("got %+v", got)
	}
}
