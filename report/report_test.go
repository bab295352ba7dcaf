package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/audit"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/enforce"
	"stackpolicy/explain"
	"stackpolicy/finding"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// TestJSONIsTheContract: every documented key is there, and no other; lists
// are empty, not null.
func TestJSONIsTheContract(t *testing.T) {
	full := reported(2, blocked("file_declared", "web.service", "page", "gone"))
	full.Decisions[0].Waiver = &finding.Waiver{Reason: "known", Owner: "ada", Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	full.Gaps = []audit.Gap{{Collector: "podman", Error: "silent"}}
	full.Actions = []enforce.Action{reload(enforce.Done, "", "web.service")}
	top := map[string][]string{
		"":          {"schema", "collected_at", "mode", "policy", "exit_code", "gaps", "decisions", "actions"},
		"policy":    {"digest", "invariants"},
		"gaps":      {"collector", "error"},
		"decisions": {"invariant", "subject", "effect", "severity", "message", "evidence", "runbook", "waiver", "outcome"},
		"actions":   {"action", "subject", "reasons", "status", "message", "duration_ms"},
	}
	got := decoded(t, full)
	for key, want := range top {
		at := got
		if list, ok := got[key].([]any); ok {
			at = list[0].(map[string]any)
		} else if key != "" {
			at = got[key].(map[string]any)
		}
		if d := cmp.Diff(want, keys(at), cmp.Transformer("sorted", sorted)); d != "" {
			t.Errorf("keys of %q -want +got\n%s", key, d)
		}
	}
	waiver := got["decisions"].([]any)[0].(map[string]any)["waiver"]
	if want := map[string]any{"reason": "known", "owner": "ada", "until": "2026-04-01T00:00:00Z"}; !reflect.DeepEqual(waiver, want) {
		t.Errorf("waiver: got %v, want %v", waiver, want)
	}
	empty := decoded(t, reported(0, []finding.Finding{}...))
	for _, list := range []string{"gaps", "actions"} {
		if l, ok := empty[list].([]any); !ok || len(l) != 0 {
			t.Errorf("%s: got %v, want an empty list", list, empty[list])
		}
	}
}

func decoded(t *testing.T, r *audit.Report) map[string]any {
	t.Helper()
	var out bytes.Buffer
	if err := writeJSON(&out, r, Options{}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func keys(m map[string]any) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestJSONIsHarmlessAndFaithful: nothing in it moves a cursor, and it reads
// back as what it was.
func TestJSONIsHarmlessAndFaithful(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, nasty); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r != '\n' && r != ' ' && !text.IsVisible(r) {
			t.Errorf("%U in the output", r)
		}
	}
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for i, want := range nasty {
		if want = string([]rune(want)); got[i] != want { // each invalid byte is one U+FFFD
			t.Errorf("got %q, want %q", got[i], want)
		}
	}
}

func TestTheReportAsJSONIsHarmlessAndFaithful(t *testing.T) {
	var out bytes.Buffer
	if err := writeJSON(&out, hostile(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r != '\n' && r != ' ' && !text.IsVisible(r) {
			t.Errorf("%U in the output", r)
		}
	}
	var got, want audit.Report
	r := hostile()
	for i := range r.Decisions {
		r.Decisions[i].Evidence = r.Decisions[i].PublicEvidence()
	}
	plain, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(out.Bytes(), &got), json.Unmarshal(plain, &want)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("it does not read back as the report")
	}
}

func TestFormats(t *testing.T) {
	if got, want := output.Names(Formats()), []string{"text", "json", "junit", "openmetrics"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExplain(t *testing.T) {
	rule, err := os.ReadFile("testdata/rule.rego")
	if err != nil {
		t.Fatal(err)
	}
	inv := policy.Invariant{
		ID: "file_declared", Title: "the file on disk is the declared link", Class: "provenance", Severity: "page",
		Description: "Every unit file that is declared\nis there, as the link that Home Manager made.\n",
		File:        "invariants/file_declared/file_declared.rego", Line: 21,
	}
	d := blocked("file_declared", "web.service", "page", "web.service is declared, but gone from disk")
	d.Evidence = map[string]any{
		"case": "missing", "expected": "/nix/store/jk9dr441xdi76mbfgr3iy3s88kw1qdzs-home-manager-files/.config/systemd/user/web.service",
		"found": "missing", "mode": "", "owner": json.Number("-1"), "reasons": []any{"a", "b"},
	}
	waived := blocked("file_declared", "db.service", "page", "db.service is declared, but gone from disk")
	waived.Waiver = &finding.Waiver{Reason: "moves away", Owner: "ada", Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	part := policy.Rule{Line: 21, Text: string(rule)}
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	changed := at.Add(-time.Minute)
	list := []explain.Explanation{
		{
			Decision: d, Invariant: inv, Rules: []policy.Rule{part}, Since: at,
			Before: &explain.Before{
				From: at.Add(-15 * time.Minute), To: at, Left: 2,
				Changes: []explain.Change{
					{What: "file", Text: "/home/ada/.config/systemd/user/web.service: missing, before declared", At: &changed},
					{What: "rules", Text: "the rules, the settings or the runbooks changed"},
				},
			},
			Logs: []explain.Log{
				{Of: "web.service", Lines: []string{"2026-03-01 01:59:00 Stopped web\x1b[2J and what it said was long enough to need another line"}},
				{Of: "web_db_1", Error: "no podman command is installed"}, {Of: "web_app_1"},
			},
		},
		{
			Decision: waived, Invariant: inv, Rules: []policy.Rule{part, {Line: 40, Text: "finding contains f if {\n\tf := other\n}"}}, AllRules: true,
			Since: at, Before: &explain.Before{From: at.Add(-15 * time.Minute), To: at},
		},
		{
			Decision: allowed("file_declared", "files.service"), Invariant: inv, Rules: []policy.Rule{part},
			Before: &explain.Before{To: at, Unknown: "it was there when the first audit was recorded"},
		},
	}
	explained := Explained{List: list, Report: &audit.Report{CollectedAt: at.Add(time.Hour)}, ExitCode: 2, Options: Options{Width: 80, Now: at.Add(2 * time.Hour), Steps: func(d finding.Finding) []string {
		if d.Effect == "allow" {
			return nil
		}
		return steps(d)
	}}}
	var out bytes.Buffer
	if err := writeExplained(&out, explained); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.txt", out.Bytes())
	out.Reset()
	if err := writeExplainedJSON(&out, explained); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.json", out.Bytes())
}

func TestExplainOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := writeExplained(&out, Explained{}); err != nil || out.String() != "Every invariant holds; there is nothing to explain.\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestInvariants(t *testing.T) {
	list := []policy.Invariant{
		{ID: "linger_enabled", Title: "linger is on", Class: "host", Severity: "page"},
		{ID: "loaded_is_current", Title: "what is loaded is what is on disk", Class: "provenance", Severity: "ticket", Actions: []finding.Action{finding.DaemonReload}},
		{ID: "mine", Title: "mine is mine", Class: "unit", Severity: "page"},
	}
	var out bytes.Buffer
	origins := policy.Origins{Missing: []string{"no_orphans", "stack_owned"}, ByID: map[string]policy.Origin{
		"linger_enabled":    {From: policy.FromBuiltin},
		"loaded_is_current": {From: policy.FromReplaced, Since: policy.SinceChanged},
		"mine":              {From: policy.FromOwn},
	}}
	if err := writeInvariants(&out, Invariants{list, origins, Options{Width: 80}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "invariants.txt", out.Bytes())
}

func TestPolicyTests(t *testing.T) {
	r := regotest.Report{
		Results: []regotest.Result{
			{Name: "a_test.test_holds", File: "a_test.rego", Line: 3, Status: regotest.StatusPass},
			{Name: "a_test.test_broken", File: "a_test.rego", Line: 9, Status: regotest.StatusFail,
				Message: "a_test.rego:11: findings == {\"x\"}\n\tfindings is \x1b[31mset()\n\n"},
			{Name: "a_test.test_errs", File: "a_test.rego", Line: 20, Status: regotest.StatusError, Message: "to_number: no number"},
			{Name: "a_test.todo_test_later", File: "a_test.rego", Line: 30, Status: regotest.StatusSkip, Message: "skipped by its name"},
		},
		Coverage: []regotest.Coverage{{File: "a.rego", Percent: 50, NotCovered: []int{3, 7, 8, 9, 12}}, {File: "b.rego", Percent: 100}},
		Percent:  75,
	}
	for name, verbose := range map[string]bool{"tests": false, "tests_verbose": true} {
		var out bytes.Buffer
		if err := PolicyTests(&out, r, 80, verbose, Options{Width: 80}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", out.Bytes())
		harmless(t, out.Bytes(), 80)
	}
}
