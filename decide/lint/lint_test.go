package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/schemas"
)

// check reads and compiles a folder.
func check(fsys fs.FS, name string) error {
	_, err := Compile(context.Background(), policy.Read(fsys, name), schemas.FS, nil)
	return err
}

// factKeys lists the keys of a fact in the form of an error.
func factKeys(t *testing.T, path ...string) string {
	t.Helper()
	type node struct {
		Properties map[string]*node
		Items      *node
	}
	text, err := fs.ReadFile(schemas.FS, "facts.json")
	at := &node{}
	if err = errors.Join(err, json.Unmarshal(text, at)); err != nil {
		t.Fatal(err)
	}
	for _, key := range path {
		if at = at.Properties[key]; at.Items != nil {
			at = at.Items
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(at.Properties)), ", ")
}

func TestRefused(t *testing.T) {
	lib := func(text string) map[string]string { return map[string]string{"lib/lib.rego": text} }
	sections := strings.Join(facts.SectionNames(), ", ")
	unitKeys, loadedKeys := factKeys(t, "units"), factKeys(t, "units", "loaded")
	cases := map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"nothing at all": {fstest.MapFS{},
			`p: holds no invariants; rules belong in main.rego, lib/ or invariants/ID/ID.rego`},
		"only a library": {fixture.Folder(map[string]string{fixture.RuleFile: "", fixture.RunbookFile: "", "lib/a.rego": "package stackpolicy.lib\n\nx := 1\n"}),
			`p: holds no invariants; rules belong in main.rego, lib/ or invariants/ID/ID.rego`},
		"an empty file": {fixture.Folder(map[string]string{"lib/a.rego": "\n"}),
			`p/lib/a.rego: is empty; want a package and rules`},
		"syntax": {fixture.WithRule("finding contains {\n"),
			`p/invariants/loaded/loaded.rego:15: unexpected eof token`},
		"no METADATA": {fixture.Folder(map[string]string{fixture.RuleFile: "package stackpolicy.invariants.loaded\n" + fixture.Rule}),
			`p/invariants/loaded/loaded.rego:1: has no METADATA; want a # METADATA block above the package with title, description, schemas and custom`},
		"no title": {fixture.WithMetadata("# title: the unit is loaded\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no title; want one line that states the good state`},
		"no description": {fixture.WithMetadata("# description: A unit that is not loaded does not run.\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no description`},
		"no schema": {fixture.WithMetadata("# schemas:\n#   - input: schema.facts\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no schema of the input; want schemas: [{input: schema.facts}]`},
		"unknown schema": {fixture.WithMetadata("input: schema.facts", "input: schema.fact"),
			`p/invariants/loaded/loaded.rego:4: unknown METADATA schema input: schema.fact; want input: schema.facts or data.settings: schema.settings`},
		"unknown custom key": {fixture.WithMetadata("class: unit", "class: unit\n#   sevrity: page"),
			`p/invariants/loaded/loaded.rego:8: unknown METADATA key custom.sevrity; known: actions, class, needs, optional, replaces, runbook, running, severity`},
		"unknown class": {fixture.WithMetadata("class: unit", "class: units"),
			`p/invariants/loaded/loaded.rego:7: unknown class units; known: provenance, stack, unit, host`},
		"no severity": {fixture.WithMetadata("#   severity: page\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no custom.severity; known: page, ticket`},
		"unknown severity": {fixture.WithMetadata("severity: page", "severity: critical"),
			`p/invariants/loaded/loaded.rego:8: unknown severity critical; known: page, ticket`},
		"no needs": {fixture.WithMetadata("#   needs: [units.loaded]\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no custom.needs; want a list, empty when there are none; known: ` + sections + `
p/invariants/loaded/loaded.rego:20: reads units.loaded, which METADATA does not declare; add it to custom.needs, or to custom.optional when the rule can do without it`},
		"unknown need": {fixture.WithMetadata("[units.loaded]", "[units.loaded, units.load]"),
			`p/invariants/loaded/loaded.rego:9: unknown name units.load in custom.needs; known: ` + sections},
		"needs is no list": {fixture.WithMetadata("[units.loaded]", "units.loaded"),
			`p/invariants/loaded/loaded.rego:9: custom.needs is not a list; want [name, …]; known: ` + sections + `
p/invariants/loaded/loaded.rego:21: reads units.loaded, which METADATA does not declare; add it to custom.needs, or to custom.optional when the rule can do without it`},
		"unknown action in METADATA": {fixture.WithMetadata("restart]", "start]"),
			`p/invariants/loaded/loaded.rego:10: unknown name start in custom.actions; ` + policy.OneOf(finding.Actions())},
		"no runbook key": {fixture.WithMetadata("#   runbook: loaded.md\n", ""),
			`p/invariants/loaded/loaded.rego:1: METADATA has no custom.runbook; want the name of a file beside the rule, e.g. runbook.md`},
		"no runbook file": {fixture.Folder(map[string]string{fixture.RunbookFile: ""}),
			`p/invariants/loaded/loaded.rego:11: the runbook loaded.md does not exist; want it beside the rule`},
		"runbook elsewhere": {fixture.WithMetadata("loaded.md", "../loaded.md"),
			`p/invariants/loaded/loaded.rego:11: custom.runbook ../loaded.md is not the name of a .md file beside the rule`},
		"METADATA is no YAML": {fixture.WithMetadata("class: unit", "class: [unit"),
			`p/invariants/loaded/loaded.rego:7: yaml: line 5: did not find expected ',' or ']'`},
		"id is not the folder": {fixture.Folder(map[string]string{fixture.RuleFile: strings.Replace(fixture.Metadata, "invariants.loaded", "invariants.load", 1) + fixture.Rule}),
			`p/invariants/loaded/loaded.rego:12: package stackpolicy.invariants.load does not fit its place; want stackpolicy.invariants.loaded`},
		"duplicate id": {fixture.Folder(map[string]string{"invariants/other/other.rego": fixture.Metadata + fixture.Rule}),
			`p/invariants/other/other.rego:12: package stackpolicy.invariants.loaded is already defined in invariants/loaded/loaded.rego:12; this file's is stackpolicy.invariants.other`},
		"file is not the folder": {fixture.Folder(map[string]string{"invariants/loaded/more.rego": "package stackpolicy.invariants.loaded\n\nx := 1\n"}),
			`p/invariants/loaded/more.rego: rules are not read from here; rules belong in main.rego, lib/ or invariants/ID/ID.rego`},
		"rule elsewhere": {fixture.Folder(map[string]string{"loaded.rego": fixture.Metadata + fixture.Rule}),
			`p/loaded.rego: rules are not read from here; rules belong in main.rego, lib/ or invariants/ID/ID.rego`},
		"library of another package": {fixture.Folder(lib("package lib\n\nx := 1\n")),
			`p/lib/lib.rego:1: package lib does not fit its place; want stackpolicy.lib or a package below it`},
		"no finding": {fixture.WithRule("x := 1\n"),
			`p/invariants/loaded/loaded.rego:12: has no rule finding; want finding contains {…} if …`},
		"finding is not a set": {fixture.WithRule("finding := {\"subject\": \"host\"}\n"),
			`p/invariants/loaded/loaded.rego:14: finding must be a set; want finding contains {…} if …`},
		"unknown effect": {fixture.WithRule(strings.Replace(fixture.Rule, `"block"`, `"allow"`, 1)),
			`p/invariants/loaded/loaded.rego:16: unknown effect "allow"; known: heal, block`},
		"unknown severity in a finding": {fixture.WithRule(strings.Replace(fixture.Rule, `"block"`, `"block", "severity": "high"`, 1)),
			`p/invariants/loaded/loaded.rego:16: unknown severity "high"; known: page, ticket, unknown`},
		"unknown action": {fixture.WithRule(strings.Replace(fixture.Rule, `"block"`, `"heal", "action": "rm"`, 1)),
			`p/invariants/loaded/loaded.rego:16: unknown action "rm"; ` + policy.OneOf(finding.Actions())},
		"unknown key in a finding": {fixture.WithRule(strings.Replace(fixture.Rule, `"evidence"`, `"evidense"`, 1)),
			`p/invariants/loaded/loaded.rego:18: unknown key evidense in the finding; known: action, effect, evidence, message, severity, subject`},
		"no subject": {fixture.WithRule(strings.Replace(fixture.Rule, `"subject": unit.name,`, ``, 1)),
			`p/invariants/loaded/loaded.rego:14: the finding has no subject; want {subject, effect, message, evidence}`},
		"misspelt fact": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", "unit.loaded.loadstate", 1)),
			`p/invariants/loaded/loaded.rego:21: undefined ref: unit.loaded.loadstate: "loadstate" is not a key there; known: ` + loadedKeys},
		"misspelt fact of an argument": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", "state(unit)", 1) + "\nstate(u) := u.loaded.loadstate\n"),
			`p/invariants/loaded/loaded.rego:24: unknown fact loadstate in input.units[].loaded; known: ` + loadedKeys},
		"misspelt fact of an argument that is named as one elsewhere": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", "state(unit)", 1) + "\nstate(u) := u.load_state\n"),
			`p/invariants/loaded/loaded.rego:24: unknown fact load_state in input.units[]; known: ` + unitKeys},
		"misspelt fact in a default": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", `object.get(unit, ["loaded", "lod"], "")`, 1)),
			`p/invariants/loaded/loaded.rego:21: unknown fact lod in input.units[].loaded; known: ` + loadedKeys},
		"misspelt setting": {fixture.WithRule(strings.Replace(fixture.Rule, "some unit in input.units", "some unit in input.units\n\tdata.settings.restrat", 1)),
			`p/invariants/loaded/loaded.rego:21: unknown fact restrat in data.settings; known: breaker, budget, decide, grace, repeat, restart, settle, storage, trust_distribution_dropins, waivers`},
		"undefined function": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", "foo(unit)", 1)),
			`p/invariants/loaded/loaded.rego:21: undefined function foo; define it in this package or import data.stackpolicy.lib`},
		"network": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", `http.send({"url": unit.name}).body`, 1)),
			`p/invariants/loaded/loaded.rego:21: the builtin http.send is not allowed; rules decide by the document and the settings alone`},
		"clock": {fixture.WithRule(strings.Replace(fixture.Rule, "unit.loaded.load_state", `time.now_ns()`, 1)),
			`p/invariants/loaded/loaded.rego:21: the builtin time.now_ns is not allowed; rules decide by the document and the settings alone`},
		"facts replaced": {fixture.WithRule(strings.Replace(fixture.Rule, "some unit in input.units", "some unit in input.units\n\tcount(finding) == 0 with input as {}", 1)),
			`p/invariants/loaded/loaded.rego:14: rule data.stackpolicy.invariants.loaded.finding is recursive: data.stackpolicy.invariants.loaded.finding -> data.stackpolicy.invariants.loaded.finding
p/invariants/loaded/loaded.rego:21: with replaces facts; it belongs in tests`},
		"unknown data": {fixture.Folder(map[string]string{"invariants/loaded/data.json": "{}", "extra.yaml": "a: 1"}),
			`p/extra.yaml: unknown data file; the only data is settings.yaml in the folder's root
p/invariants/loaded/data.json: unknown data file; the only data is settings.yaml in the folder's root`},
		"unknown setting": {fixture.Folder(map[string]string{"settings.yaml": "settings:\n  restart: []\n  trust: true\n"}),
			`p/settings.yaml:3: unknown key "trust"; known: restart, trust_distribution_dropins, grace, budget, breaker, repeat, settle, storage, waivers, decide`},
		"grace without one": {fixture.Folder(map[string]string{"settings.yaml": "settings:\n  grace: {loaded: 5m}\n"}),
			`p/settings.yaml:2: grace.loaded: its rule has no grace period; known: none`},
		"unknown key beside the settings": {fixture.Folder(map[string]string{"settings.yaml": "restart: []\n"}),
			`p/settings.yaml:1: unknown key "restart"; known: settings`},
		"setting of another type": {fixture.Folder(map[string]string{"settings.yaml": "settings:\n  restart: web.service\n"}),
			"p/settings.yaml:2: restart: want a list such as [a, b], got `web.ser...`"},
		"a link": {fstest.MapFS{"lib/a.rego": {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")}, fixture.RuleFile: {Data: []byte(fixture.Metadata + fixture.Rule)}, fixture.RunbookFile: {Data: []byte(fixture.Runbook)}},
			`p/lib/a.rego: is not a regular file; links are not followed: link the folder as a whole instead`},
		"a file that is too large": {fixture.Folder(map[string]string{"lib/a.rego": strings.Repeat("#", 1<<20+1)}),
			`p/lib/a.rego: is larger than 1048576 bytes`},
		"a runbook without steps": {fixture.Folder(map[string]string{fixture.RunbookFile: "# loaded\n"}),
			`p/invariants/loaded/loaded.md: has no steps; want ## How to mend with ### any, or ### CASE for each case, and numbered steps`},
		"a case without steps": {fixture.Folder(map[string]string{fixture.RunbookFile: "## How to mend\n### any\nWait.\n"}),
			`p/invariants/loaded/loaded.md: ### any has no steps; want 1. …`},
		"a case that the runbook lacks": {fixture.Folder(map[string]string{
			fixture.RuleFile:    fixture.Metadata + strings.Replace(fixture.Rule, `"case": "any"`, `"case": "masked"`, 1),
			fixture.RunbookFile: "## How to mend\n### missing\n1. Wait.\n"}),
			`p/invariants/loaded/loaded.rego:18: the runbook invariants/loaded/loaded.md has no ### masked and no ### any below ## How to mend`},
		"a placeholder of no key": {fixture.Folder(map[string]string{fixture.RunbookFile: "## How to mend\n### any\n1. See {pth}.\n"}),
			`p/invariants/loaded/loaded.md:3: no finding's evidence has a key pth for the placeholder {pth}`},
		"a placeholder that is not one": {fixture.Folder(map[string]string{fixture.RunbookFile: "## How to mend\n### any\n1. See `{{.State}}` and `${HOME}` and {the path}.\n"}),
			`p/invariants/loaded/loaded.md:3: {the path} is not a placeholder; want {unit} or {key} of a key of the evidence`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := check(c.fsys, "p")
			if refusal := new(policy.Refusal); !errors.As(err, &refusal) {
				t.Fatalf("got %v; want a refusal", err)
			}
			if got := err.Error(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestUndeclaredReadsRefused(t *testing.T) {
	const undeclared = "reads %s%s, which METADATA does not declare; add it to custom.needs, or to custom.optional when the rule can do without it"
	const lib = "package stackpolicy.lib\n\nfiles(u) := u.files\n\nstate := input.manager.state\n"
	finding := func(body string) string {
		head := "\n\n"
		if strings.Contains(body, "lib.") {
			head = "import data.stackpolicy.lib\n\n"
		}
		return head + "finding contains {\"subject\": unit.name, \"effect\": \"block\", \"message\": \"m\"} if {\n\tsome unit in input.units\n\t" + body + "\n}\n"
	}
	cases := map[string]struct {
		rules, section, through string
		line                    int
	}{
		"directly":                     {finding("some file in unit.files\n\tfile.path"), "units.files", "", 18},
		"by an index":                  {finding("input.units[_].files[_].path"), "units.files", "", 18},
		"a whole section":              {finding("input.podman"), "podman", "", 18},
		"by every":                     {finding("every c in unit.containers {\n\t\tc.id\n\t}"), "units.containers", "", 18},
		"under not":                    {finding("not unit.reload"), "units.reload", "", 18},
		"in a comprehension":           {finding("count([c | some c in unit.containers]) > 0"), "units.containers", "", 18},
		"with a default":               {finding("object.get(unit, \"files\", []) == []"), "units.files", "", 18},
		"by a variable key":            {finding("some key\n\tunit[key]"), "units.containers", "", 19},
		"through a rule":               {finding("broken") + "\nbroken if input.user.linger\n", "user", "", 21},
		"through a set of units":       {finding("some u in mine\n\tu.files") + "\nmine contains u if some u in input.units\n", "units.files", "", 19},
		"through an object of units":   {finding("by_name[unit.name].files") + "\nby_name[u.name] := u if some u in input.units\n", "units.files", "", 18},
		"through a built object":       {finding("some p in pairs\n\tp.unit.files") + "\npairs := [{\"unit\": u} | some u in input.units]\n", "units.files", "", 19},
		"through a function":           {finding("of(unit)") + "\nof(u) if u.files\n", "units.files", "", 21},
		"through a function's result":  {finding("same(unit).files") + "\nsame(u) := u\n", "units.files", "", 18},
		"through an argument's shape":  {finding("of([\"x\", unit])") + "\nof([_, u]) if u.files\n", "units.files", "", 21},
		"through else":                 {finding("of(unit)") + "\nof(u) if {\n\tu.stack\n} else if {\n\tu.files\n}\n", "units.files", "", 24},
		"through the library":          {finding("lib.files(unit)"), "units.files", " (in lib/lib.rego)", 16},
		"through a rule of the lib":    {finding("lib.state == \"x\""), "manager", " (in lib/lib.rego)", 16},
		"by walking":                   {finding("walk(unit, [_, \"x\"])"), "units.files", "", 18},
		"by sorting":                   {finding("sort(input.units)[0].name"), "units.files", "", 18},
		"in a template string":         {finding("$\"{unit.files}\" != \"\""), "units.files", "", 18},
		"as evidence":                  {"finding contains {\"subject\": u.name, \"effect\": \"block\", \"message\": \"m\", \"evidence\": {\"u\": u}} if some u in input.units\n", "units.files", "", 14},
		"the input as a whole":         {finding("json.marshal(input) == \"\""), "manager", "", 18},
		"through a function of inputs": {finding("of(input)") + "\nof(doc) if doc.manager.state\n", "manager", "", 21},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fsys := fixture.Folder(map[string]string{fixture.RuleFile: fixture.Metadata + "\n" + c.rules, "lib/lib.rego": lib})
			err := check(fsys, "")
			want := fmt.Sprintf("%s:%d: "+undeclared, fixture.RuleFile, c.line, c.section, c.through)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got:\n%v\nwant:\n%s", err, want)
			}
		})
	}
}

func TestDeclaredReadsAccepted(t *testing.T) {
	rules := map[string]string{
		"a key of the same name elsewhere": "finding contains {\"subject\": u.name, \"effect\": \"block\", \"message\": \"m\"} if {\n\tsome u in input.units\n\tsome d in u.loaded.differs\n\td.loaded == \"x\"\n}\n",
		"sections that nothing rests on":   fixture.Rule + "\nunused if input.podman.present\n",
		"count and scalar keys":            "finding contains {\"subject\": u.name, \"effect\": \"block\", \"message\": \"m\"} if {\n\tsome u in input.units\n\tcount(input.units) > 1\n\tu.stack != \"\"\n\tinput.collectors.systemd.ok\n}\n",
		"keys of what the rules build":     fixture.Rule + "\nhelp(x) := x.own\n\nuse := help({\"own\": 1})\n",
	}
	for name, text := range rules {
		t.Run(name, func(t *testing.T) {
			if err := check(fixture.WithRule(text), ""); err != nil {
				t.Error(err)
			}
		})
	}
}
