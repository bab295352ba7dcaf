package confined

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/confine"
	"stackpolicy/policies"
)

func TestMain(m *testing.M) {
	if confine.Wanted(os.Args) {
		fmt.Fprintln(os.Stderr, Serve())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// document has managed units, all loaded.
func document(names ...string) *facts.Document {
	doc := &facts.Document{
		Schema: facts.Schema, CollectedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Collectors: map[string]facts.CollectorStatus{"systemd": {OK: true}}, Manager: &facts.Manager{State: "running"},
	}
	for _, name := range names {
		doc.Units = append(doc.Units, facts.Unit{Name: name, ManagedBy: "home-manager", Loaded: &facts.Loaded{LoadState: "loaded"}})
	}
	return doc
}

// with returns the sound folder with a second invariant and its rules.
func with(rules string) fstest.MapFS {
	metadata := strings.ReplaceAll(fixture.Metadata, "invariants.loaded", "invariants.bomb")
	return fixture.Folder(map[string]string{
		"invariants/bomb/bomb.rego": metadata + "\n" + rules, "invariants/bomb/loaded.md": fixture.Runbook,
	})
}

// condition is a rule with a finding if an expression is true.
func condition(expression string) string {
	return "finding contains {\"subject\": unit.name, \"effect\": \"heal\", \"action\": \"restart\", \"message\": \"m\", \"evidence\": {\"case\": \"any\", \"n\": 1.50}} if {\n" +
		"\tsome unit in input.units\n\tunit.loaded\n\t" + expression + "\n}\n"
}

// TestSameAsInTheProcess: the decisions of a child are the same.
func TestSameAsInTheProcess(t *testing.T) {
	doc := document("a.service", "b.service")
	doc.Units[0].Loaded.LoadState = "error"
	for name, fsys := range map[string]fstest.MapFS{
		"findings":        with(condition(`unit.name == "b.service"`)),
		"an error":        with(condition("1 / count(unit.stack) > 0")),
		"a malformed one": with("finding contains {\"subject\": \"x\", \"effect\": \"block\", \"message\": \"m\"} if input.units[0].loaded\n"),
		"a waiver":        waived(t),
		"a rule's limit":  with(condition("count(numbers.range(1, 1000000000)) == 1")),
	} {
		t.Run(name, func(t *testing.T) {
			opts := decide.Options{Limit: time.Second}
			child, err := Load(t.Context(), fsys, opts)
			if err != nil {
				t.Fatal(err)
			}
			here, err := decide.Load(t.Context(), fsys, opts)
			if err != nil {
				t.Fatal(err)
			}
			got, want := decided(t, child, doc), decided(t, here, doc)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
			if child.Digest() != here.Digest() || !reflect.DeepEqual(child.Settings(), here.Settings()) {
				t.Errorf("got %s, %+v\nwant %s, %+v", child.Digest(), child.Settings(), here.Digest(), here.Settings())
			}
		})
	}
}

func waived(t *testing.T) fstest.MapFS {
	t.Helper()
	fsys := with(condition("true"))
	fsys["settings.yaml"] = &fstest.MapFile{Data: []byte("settings:\n  restart: [a.service]\n  waivers: [{invariant: bomb, units: [a.service], owner: a, reason: b, until: 2027-01-01T00:00:00Z}]\n")}
	return fsys
}

func decided(t *testing.T, p *decide.Policies, doc *facts.Document) []finding.Finding {
	t.Helper()
	result, err := p.Decide(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return result.Decisions
}

// TestRemembered: what a child decided is remembered, and then none is started. Where a rule
// read the time it is decided again.
func TestRemembered(t *testing.T) {
	folder := with(condition(`unit.loaded.active_state == "failed"; input.collected_at > "2026-01-02T04"`))
	doc, memory := document("a.service", "b.service"), decide.NewMemory()
	children := func() int {
		lists, err := filepath.Glob("/proc/self/task/*/children")
		if err != nil || len(lists) == 0 {
			t.Skip("this kernel does not list the children of a thread")
		}
		n := 0
		for _, name := range lists {
			list, _ := os.ReadFile(name) // a thread may have ended
			n += len(strings.Fields(string(list)))
		}
		return n
	}
	audit := func(what string, wantFound, wantChildren int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p, err := Load(ctx, folder, decide.Options{Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.Decide(ctx, doc)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, f := range result.Decisions {
			if f.Effect == finding.Heal {
				found++
			}
		}
		if n := children(); found != wantFound || n != wantChildren {
			t.Errorf("%s: %d findings and %d processes, want %d and %d", what, found, n, wantFound, wantChildren)
		}
		cancel()
		for range 100 {
			if children() == 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%s: the process does not end", what)
	}
	before := children()
	if before != 0 {
		t.Skipf("%d processes of other tests run", before)
	}
	audit("the first time", 0, 1)
	audit("unchanged", 0, 0)
	doc.Units[0].Loaded.ActiveState = "failed"
	audit("failed", 0, 1)
	audit("still failed", 0, 1)
	doc.CollectedAt = doc.CollectedAt.Add(time.Hour)
	audit("an hour later", 1, 1)
	doc.Units[0].Loaded.ActiveState = ""
	audit("mended", 0, 0)
}

// TestBombs: without a child, each of these rules would break the whole audit: it would never
// end, or need more than 4 GB. In a child it only blocks its own invariant.
func TestBombs(t *testing.T) {
	graph := `g := {n: [m | some m in numbers.range(1, 20); m != n] | some n in numbers.range(1, 20)}` + "\n\tcount(graph.reachable_paths(g, {1})) == 0"
	cases := map[string]struct{ expression, want string }{
		"a regex that backtracks": {`regex.match(concat("", ["^", concat("", ["(x?){0,900}" | some _ in numbers.range(1, 300)]), "$"]), concat("", ["x" | some _ in numbers.range(1, 200000)]))`, "limit"},
		"paths of a full graph":   {graph, "limit"},
		"widths of megabytes":     {`count(sprintf(concat("", ["%999999d" | some _ in numbers.range(1, 6000)]), numbers.range(1, 6000))) == 1`, "limit"},
		"a shift by billions":     {`bits.lsh(1, 60000000000) == 1`, "limit"},
		"a patch that doubles":    {`count(json.marshal(json.patch({"a": ["x"]}, [{"op": "copy", "from": "/a", "path": "/a/-"} | some _ in numbers.range(1, 40)]))) == 1`, "limit"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), with(condition(c.expression)), decide.Options{Limit: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			audits := 1
			if name == "a shift by billions" {
				audits = 2 // the second time with a new child
			}
			for range audits {
				got := decided(t, p, document("a.service"))
				if len(got) != 2 || got[0].Invariant != "bomb" || got[0].Effect != finding.Block || got[0].Severity != finding.Unknown ||
					!strings.HasPrefix(got[0].Message, "cannot be decided: invariants/bomb/bomb.rego: ") || !strings.Contains(got[0].Message, c.want) {
					t.Errorf("got %+v", got)
				} else if got[1].Invariant != "loaded" || got[1].Effect != finding.Allow {
					t.Errorf("the other invariant: got %+v", got[1])
				}
			}
			t.Logf("%d audits after %s", audits, time.Since(begin).Round(time.Millisecond))
		})
	}
}

// TestLoadBombs: OPA itself has no limits for parsing and compiling.
func TestLoadBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for name, rules := range map[string]string{
		"else":  "x := 0 if {\n\tfalse\n}" + strings.Repeat(" else := 1 if {\n\tfalse\n}", 40_000) + "\n",
		"every": "x if {\n" + strings.Repeat("every a in [1] { ", 20_000) + "true" + strings.Repeat(" }", 20_000) + "\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := Load(t.Context(), with(condition("x")+"\n"+rules), decide.Options{Name: "p"})
			if err == nil {
				t.Error("it was loaded")
			}
			t.Logf("%.150v after %s", err, time.Since(begin).Round(time.Millisecond))
			if took := time.Since(begin); took > loadLimit+30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	_, err := Load(t.Context(), fixture.Folder(map[string]string{"extra.json": "{}", fixture.RunbookFile: ""}), decide.Options{Name: "p"})
	refusal := new(policy.Refusal)
	if want := "p/extra.json: unknown data file; the only data is settings.yaml in the folder's root\np/invariants/loaded/loaded.rego:11: the runbook loaded.md does not exist; want it beside the rule"; !errors.As(err, &refusal) || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestTestAndFormat(t *testing.T) {
	report, err := Test(t.Context(), policy.OpenWithTests(policies.FS, ""))
	if err != nil || !report.Passed() || report.Percent < 98 {
		t.Errorf("got %v, passed %v, %v%%", err, report.Passed(), report.Percent)
	}
	if _, err := Test(t.Context(), policy.OpenWithTests(fixture.Folder(nil), "")); !errors.Is(err, regotest.ErrNoTests) {
		t.Errorf("got %v", err)
	}
	changed, err := Formatted(t.Context(), policy.OpenWithTests(fixture.Folder(map[string]string{"lib/a_test.rego": "package a_test\n\n\n\ntest_a  if true\n"}), "p"))
	if err != nil || len(changed) != 1 || changed[0].Name != "lib/a_test.rego" || string(changed[0].Text) != "package a_test\n\ntest_a := true\n" {
		t.Errorf("got %v, %v", changed, err)
	}
}

// TestATestThatIsABomb ends only the test run.
func TestATestThatIsABomb(t *testing.T) {
	fsys := fixture.Folder(map[string]string{"lib/a_test.rego": "package a_test\n\ntest_a if bits.lsh(1, 60000000000) == 1\n"})
	if _, err := Test(t.Context(), policy.OpenWithTests(fsys, "p")); err == nil || err.Error() != "test the rules of p: stopped at the memory limit" {
		t.Errorf("got %v", err)
	}
}

func TestDecideEndsWithItsContext(t *testing.T) {
	p, err := Load(t.Context(), with(condition("count(numbers.range(1, 1000000000)) == 1")), decide.Options{Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Decide(ctx, document("a.service")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		if _, err := Load(ctx, policies.FS, decide.Options{}); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
}

func BenchmarkDecide(b *testing.B) {
	p, err := Load(b.Context(), policies.FS, decide.Options{})
	if err != nil {
		b.Fatal(err)
	}
	doc := document("a.service")
	for b.Loop() {
		if _, err := p.Decide(b.Context(), doc); err != nil {
			b.Fatal(err)
		}
	}
}
