package learn

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide"
	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/policies"
)

func recorded(t *testing.T, name string) *facts.Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/facts", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := facts.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func builtIn(t *testing.T) (*decide.Policies, policy.Source) {
	t.Helper()
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return p, policy.OpenWithTests(policies.FS, "")
}

// learned learns, and checks that all files are formatted, compile strictly, and are in order
// as a layer over the built-in rules.
func learned(t *testing.T, doc *facts.Document, o Options) Lesson {
	t.Helper()
	p, source := builtIn(t)
	l, err := Learn(t.Context(), doc, p, source, o, regotest.Run)
	if err != nil {
		t.Fatal(err)
	}
	own := policy.Source{Name: "mine", Files: l.Files}
	if unformatted, err := lint.Formatted(own); err != nil || len(unformatted) > 0 {
		t.Errorf("not formatted: %v, %v", unformatted, err)
	}
	modules := map[string]*ast.Module{}
	for _, f := range own.Rego() {
		m, err := ast.ParseModuleWithOpts(f.Name, string(f.Text), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		modules[f.Name] = m
	}
	compiler := ast.NewCompiler().WithStrict(true)
	if compiler.Compile(modules); compiler.Failed() {
		t.Errorf("opa check --strict: %v", compiler.Errors)
	}
	if _, err := decide.LoadSource(t.Context(), own.Over(policy.Open(policies.FS, "")), decide.Options{}); err != nil {
		t.Errorf("policy check: %v", err)
	}
	return l
}

// run runs the lesson's tests with the built-in rules, after a change to these.
func run(t *testing.T, l Lesson, change func(*policy.File)) (passed, failed int) {
	t.Helper()
	source := policy.Open(policies.FS, "")
	for i := range source.Files {
		change(&source.Files[i])
	}
	report, err := regotest.Run(t.Context(), policy.Source{Name: "mine", Files: l.Files}.Over(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Status == regotest.StatusPass {
			passed++
		} else {
			failed++
		}
	}
	return passed, failed
}

func unchanged(*policy.File) {}

func text(l Lesson) (all string) {
	for _, f := range l.Files {
		all += "== " + f.Name + "\n" + string(f.Text)
	}
	return all
}

// TestFound: the test passes with the rules that found it, and fails with rules that miss it.
func TestFound(t *testing.T) {
	l := learned(t, recorded(t, "page"), Options{Subject: "web.service"})
	if len(l.Found) == 0 || l.Whole || len(l.Files) != 2 {
		t.Fatalf("found %d, whole %t, %d files", len(l.Found), l.Whole, len(l.Files))
	}
	if passed, failed := run(t, l, unchanged); passed == 0 || failed > 0 {
		t.Errorf("%d passed, %d failed", passed, failed)
	}
	blind := func(f *policy.File) {
		if strings.HasSuffix(f.Name, "/file_declared.rego") {
			f.Text = []byte(strings.ReplaceAll(string(f.Text), "input.units", "input.none"))
		}
	}
	if _, failed := run(t, l, blind); failed != 1 {
		t.Errorf("rules that miss it: %d failed, want 1", failed)
	}
	all := text(l)
	for _, name := range []string{"files.service", "files-app-1"} {
		if strings.Contains(all, name) {
			t.Errorf("%s is of another unit", name)
		}
	}
	if regexp.MustCompile(`\balice\b`).MatchString(all) || !strings.Contains(all, "/home/ada/") || !strings.Contains(all, "web.service") {
		t.Error("the account is not renamed, or the unit is")
	}
}

// TestMissed: where the rules find nothing, the test fails until one finds the unit.
func TestMissed(t *testing.T) {
	l := learned(t, recorded(t, "good"), Options{Subject: "web.service"})
	if passed, failed := run(t, l, unchanged); len(l.Found) > 0 || passed > 0 || failed != 1 {
		t.Errorf("found %d; %d passed, %d failed", len(l.Found), passed, failed)
	}
	finds := func(f *policy.File) {
		if strings.HasSuffix(f.Name, "/file_declared.rego") {
			f.Text = append(f.Text, "\nfinding contains {\"subject\": unit.name, \"effect\": \"block\", \"message\": \"m\"} if some unit in input.units\n"...)
		}
	}
	if passed, failed := run(t, l, finds); passed != 1 || failed > 0 {
		t.Errorf("a rule that finds it: %d passed, %d failed", passed, failed)
	}
}

// TestStub: the stub of a rule finds what was recorded, and only that.
func TestStub(t *testing.T) {
	for name, c := range map[string]struct {
		doc string
		o   Options
	}{
		"missed":     {"good", Options{Subject: "web.service", Rule: "web_answers"}},
		"found":      {"page", Options{Subject: "web.service", Rule: "web_answers"}},
		"the host":   {"good", Options{Subject: finding.Host, Rule: "host_rests"}},
		"everything": {"page", Options{Rule: "host_rests"}},
		"renamed":    {"good", Options{Subject: "web.service", Rule: "web_answers", RenameUnit: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l := learned(t, recorded(t, c.doc), c.o)
			if passed, failed := run(t, l, unchanged); passed < 2 || failed > 0 {
				t.Errorf("%d passed, %d failed", passed, failed)
			}
			if c.o.RenameUnit && strings.Contains(text(l), "web.service") {
				t.Error("the unit is not renamed")
			}
		})
	}
}

// TestAllStates: each recorded state gives the same findings, for each unit and for everything.
func TestAllStates(t *testing.T) {
	for _, name := range []string{"page", "stale", "good"} {
		for _, subject := range []string{"", "files.service"} {
			learned(t, recorded(t, name), Options{Subject: subject})
		}
	}
}

func TestRefused(t *testing.T) {
	p, source := builtIn(t)
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"unknown unit":        {Options{Subject: "db.service"}, `has no unit "db.service"`},
		"a rule there is":     {Options{Rule: "file_declared"}, "there is a rule file_declared already"},
		"a path":              {Options{Rule: "../x"}, "no id of a rule"},
		"renamed without one": {Options{RenameUnit: true}, "name the unit"},
	} {
		if _, err := Learn(t.Context(), recorded(t, "good"), p, source, c.o, regotest.Run); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := Learn(t.Context(), recorded(t, "gap"), p, source, Options{}, regotest.Run); err == nil || !strings.Contains(err.Error(), "could not decide") {
		t.Errorf("an audit with a gap: %v", err)
	}
	broken := func(context.Context, policy.Source) (regotest.Report, error) {
		return regotest.Report{Results: []regotest.Result{{Name: "a", Status: regotest.StatusError}}}, nil
	}
	if _, err := Learn(t.Context(), recorded(t, "page"), p, source, Options{}, broken); err == nil || !strings.Contains(err.Error(), "decide otherwise") {
		t.Errorf("tests that do not end as they should: %v", err)
	}
}

// TestNames: whole words of the account and the host are replaced, and nothing else.
func TestNames(t *testing.T) {
	doc := &facts.Document{
		CollectedAt: time.Now(), Host: &facts.Host{Name: "kiste"}, User: &facts.User{Name: "ben", Home: "/srv/people/ben", UID: 1007},
		Units: []facts.Unit{{Name: "web.service", Containers: []facts.Container{{Name: "web-app", Image: "docker.io/library/web"}}}},
	}
	other := func(change func(*facts.Document)) *facts.Document {
		d := *doc
		u, h := *doc.User, *doc.Host
		d.User, d.Host = &u, &h
		change(&d)
		return &d
	}
	cases := map[string]struct {
		doc      *facts.Document
		o        Options
		in, want string
	}{
		"the home":            {doc, Options{}, "/srv/people/ben/x /srv/people/ben", "/home/ada/x /home/ada"},
		"another's home":      {doc, Options{}, "/srv/people/benny/x", "/srv/people/benny/x"},
		"words":               {doc, Options{}, "ben at kiste: kiste ben ben", "ada at lab: lab ada ada"},
		"parts of words":      {doc, Options{}, "bend kisten", "bend kisten"},
		"a unit of the user":  {doc, Options{}, "home-manager-ben.service", "home-manager-ada.service"},
		"the runtime folder":  {doc, Options{}, "/run/user/1007/x /run/user/10071 user@1007.service", "/run/user/1000/x /run/user/10071 user@1000.service"},
		"the unit stays":      {doc, Options{}, "web.service web-app", "web.service web-app"},
		"the unit if asked":   {doc, Options{Subject: "web.service", RenameUnit: true}, "web.service web-app webs", "unit.service unit-app webs"},
		"as a unit is called": {other(func(d *facts.Document) { d.User.Name = "web" }), Options{}, "web.service of web", "web.service of web"},
		"and alone":           {other(func(d *facts.Document) { d.User.Name = "web" }), Options{}, "web", "ada"},
		"a common word":       {other(func(d *facts.Document) { d.Host.Name = "nix" }), Options{}, "/nix/store/x", "/nix/store/x"},
		"signs of patterns":   {other(func(d *facts.Document) { d.Host.Name = "a.b" }), Options{}, "a.b axb", "lab axb"},
	}
	for name, c := range cases {
		if got := rename(c.doc, c.o, true).text(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	value := rename(doc, Options{}, true).value(map[string]any{"ben": []any{"ben"}, "uid": json.Number("1007"), "n": json.Number("1007")})
	if got, _ := json.Marshal(value); string(got) != `{"ada":["ada"],"n":1007,"uid":1000}` {
		t.Errorf("got %s", got)
	}
	if got := left(doc, "ben is here"); len(got) != 1 || got[0] != "ben" {
		t.Errorf("left: %q", got)
	}
}

// TestKeep: paths are copied, with what is below them, and nothing else.
func TestKeep(t *testing.T) {
	from := map[string]any{"a": map[string]any{"b": map[string]any{"c": 1, "d": 2}, "e": 3}, "l": []any{1}}
	for paths, want := range map[string]string{
		"a.b.c":        `{"a":{"b":{"c":1}}}`,
		"a.b.c a.e":    `{"a":{"b":{"c":1},"e":3}}`,
		"a.b a.b.c":    `{"a":{"b":{"c":1,"d":2}}}`,
		"a.b.c a.b":    `{"a":{"b":{"c":1,"d":2}}}`,
		"a a.b.c":      `{"a":{"b":{"c":1,"d":2},"e":3}}`,
		"l.x none a.x": `{"a":{},"l":[1]}`,
	} {
		to := map[string]any{}
		for _, path := range strings.Fields(paths) {
			keep(to, from, strings.Split(path, "."))
		}
		if got, _ := json.Marshal(to); string(got) != want {
			t.Errorf("%s: got %s, want %s", paths, got, want)
		}
	}
	if got, _ := json.Marshal(from); string(got) != `{"a":{"b":{"c":1,"d":2},"e":3},"l":[1]}` {
		t.Errorf("the document was changed: %s", got)
	}
}
