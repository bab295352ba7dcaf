package scope_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/scope"
)

// head is a finding about a unit, with what comes before its body.
const (
	about = `finding contains {"subject": unit.name, "message": "m"} if { some unit in input.units; `
	host  = `finding contains {"subject": "host", "message": "m"} if { `
	bad   = `
bad contains unit.name if { some unit in input.units; unit.loaded.active_state == "failed" }
`
)

func of(t *testing.T, rules string) scope.Scope {
	t.Helper()
	c, err := ast.CompileModulesWithOpt(map[string]string{"a.rego": "package a\n" + rules, "b.rego": "package b\n" + bad}, ast.CompileOpts{
		ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return scope.Of(c, ast.MustParseRef("data.a.finding"))[0]
}

// What is decided for one unit at a time must not depend on another one. The first list has
// ways of writing that only look at one unit, the second those that look at several.
func TestUnits(t *testing.T) {
	for name, rules := range map[string]string{
		"one unit":                  about + `unit.loaded.active_state == "failed" }`,
		"a list inside of a unit":   about + `some c in unit.containers; c.state == "exited" }`,
		"two lists of one unit":     about + `some s in unit.services; some c in unit.containers; c.service == s.name }`,
		"a count of what is in one": about + `count([c | some c in unit.containers; c.infra]) > 1 }`,
		"every of what is in one":   about + `every c in unit.containers { c.state == "running" } }`,
		"a section of the document": about + `unit.name in input.manager.running_without_file }`,
		"a function of the unit":    about + `f(unit) }` + "\nf(u) if { some c in u.containers; not c.infra }",
		"a function with else":      about + `f(unit.loaded) == "a" }` + "\nf(l) := \"a\" if l.active_state == \"failed\" else := \"b\"",
		"a setting":                 about + `unit.name in data.settings.restart }`,
		"a name in a set of names":  about + `unit.name in bad }` + bad,
		"a name in no set of names": about + `not unit.name in bad }` + bad,
		"the key of a set":          about + `bad[unit.name] }` + bad,
		"a pair with the name":      about + `not [unit.name, "x"] in pairs }` + "\npairs contains [unit.name, c] if { some unit in input.units; some c in unit.cases }",
		"a set of problems":         `finding contains {"subject": p.subject, "message": p.m} if { some p in problem }` + "\nproblem contains {\"subject\": unit.name, \"m\": unit.path} if { some unit in input.units; unit.managed_by != \"\" }",
		"problems, joined by name":  `finding contains {"subject": p.subject, "message": p.m} if { some p in problem; not p.subject in bad }` + bad + "\nproblem contains {\"subject\": unit.name, \"m\": unit.path} if { some unit in input.units }",
		"by an equal name":          about + `some other in input.units; other.name == unit.name; other.loaded }`,
		"a pattern":                 `finding contains {"subject": unit.name, "message": c.name} if { some {"unit": unit, "c": c} in pairs }` + "\npairs contains {\"unit\": unit, \"c\": c} if { some unit in input.units; some c in unit.containers }",
		"lists of units, put together": `finding contains {"subject": c.subject, "message": "m"} if { some c in array.concat(owned, unowned) }
owned := [{"subject": unit.name, "c": c} | some unit in input.units; some c in unit.containers]
unowned := [{"subject": "host", "c": c} | some c in input.podman.unowned]`,
		"an object by name": about + `by_name[unit.name].state == "x" }` + "\nby_name[unit.name] := unit.loaded if some unit in input.units",
		"the host":          host + `input.user.linger == false }`,
		"a list in a problem": `finding contains {"subject": p.subject, "message": p.m[0]} if { some p in problem }
problem contains {"subject": unit.name, "m": [c.name | some c in unit.containers]} if { some unit in input.units }`,
	} {
		if s := of(t, rules); !s.Unit {
			t.Errorf("%s: needs all units: %s", name, rules)
		}
	}
	for name, rules := range map[string]string{
		"two units":                               about + `some other in input.units; other.name != unit.name; other.project == unit.project }`,
		"the number of units":                     about + `count(input.units) > 1 }`,
		"the number of bad ones":                  about + `count(bad) > 1 }` + bad,
		"that there is a bad one":                 about + `any_bad }` + "\nany_bad if { some u in input.units; u.loaded.active_state == \"failed\" }",
		"that there is no bad one":                about + `not any_bad }` + "\nany_bad if { some u in input.units; u.loaded.active_state == \"failed\" }",
		"no bad one, by a set":                    about + `not "a.service" in bad }` + bad,
		"a set of names that is empty":            about + `bad == set() }` + bad,
		"a pod in a set of pods":                  about + `not unit.pod in pods }` + "\npods contains unit.pod if some unit in input.units",
		"the place of a unit":                     `finding contains {"subject": unit.name, "message": sprintf("%d", [i])} if { some i, unit in input.units }`,
		"the first unit":                          `finding contains {"subject": unit.name, "message": "m"} if { unit := input.units[0] }`,
		"the first bad one":                       host + `sort(bad)[0] == "a.service" }` + bad,
		"the host, for a unit":                    host + `some unit in input.units; unit.loaded.active_state == "failed" }`,
		"all bad ones in the evidence":            `finding contains {"subject": "host", "message": "m", "evidence": {"bad": bad}} if input.user.linger` + bad,
		"a unit of another's name":                `finding contains {"subject": other, "message": "m"} if { some unit in input.units; some other in unit.after }`,
		"every unit":                              host + `every unit in input.units { unit.ok } }`,
		"the document as a whole":                 about + `some k; input[k] == unit.name }`,
		"the document, given away":                about + `f(input) }` + "\nf(d) if count(d.units) > 2",
		"a walk":                                  about + `walk(input, [_, value]); value == unit.name }`,
		"a document with another input":           about + `bad2 with input as {"units": []} }` + "\nbad2 if count(input.units) > 0",
		"a default that units change":             host + `worst == "failed" }` + "\ndefault worst := \"ok\"\nworst := \"failed\" if { some u in input.units; u.bad }",
		"an else that units decide":               host + `state == "ok" }` + "\nstate := \"bad\" if { some u in input.units; u.bad } else := \"ok\"",
		"a sum":                                   about + `sum([u.size | some u in input.units]) > 3 }`,
		"an object of all":                        about + `object.get({u.name: u | some u in input.units}, unit.after, 0) != 0 }`,
		"all bad ones as a key":                   about + `some k in object.keys({bad: unit.name}); count(k) > 1 }` + bad,
		"all bad ones as a key, each time":        about + `some k in object.keys({bad: unit.name | unit.loaded}); count(k) > 1 }` + bad,
		"all bad ones as a rule's key":            about + `some k in object.keys(by); count(k) > 1 }` + "\nby[bad] := 1 if input.user.linger" + bad,
		"sets by the pods of units":               about + `unit.name in by_pod[unit.pod] }` + "\nby_pod[pod] contains unit.name if { some unit in input.units; pod := unit.pod }",
		"the other units of a project":            about + `others := {o.name | some o in input.units; o.project == unit.project}; count(others) > 1 }`,
		"units with the same name, negated apart": about + `some other in input.units; not other.name == unit.name; other.pod == unit.pod }`,
		"a function that looks around":            about + `f(unit.pod) }` + "\nf(pod) if { some u in input.units; u.pod == pod }",
		"another package as a whole":              about + `data.b[unit.pod] }`,
		"all of data":                             about + `some k; data.b[k] }`,
		"a set without a part":                    about + `x := bad - {"a.service"}; "b.service" in x }` + bad,
	} {
		if s := of(t, rules); s.Unit {
			t.Errorf("%s: is taken for a rule about one unit: %s", name, rules)
		}
	}
}

func TestKeys(t *testing.T) {
	for rules, want := range map[string]string{
		about + `unit.loaded }`:                                    "units.loaded",
		about + `unit.loaded.active_state == "failed" }`:           "units.loaded.active_state",
		about + `some c in unit.containers; c.state == "exited" }`: "units.containers.*",
		about + `some k, v in unit.labels; v.x == k }`:             "units.labels.*",
		about + `unit.labels["a.b"] }`:                             "units.labels",
		about + `unit.labels["a?"] == unit.labels["*"] }`:          "units.labels",
		about + `l := unit.loaded; l.result == "x" }`:              "units.loaded.result units.loaded?",
		about + `l := unit.loaded; l == "x" }`:                     "units.loaded",
		about + `f(unit) }` + "\nf(u) if u.stack":                  "units.stack",
		about + `f(unit) }` + "\nf(u) if count(u) > 3":             "units",
		about + `unit.name in bad }` + bad:                         "units.loaded.active_state",
		about + `some x in pairs; x.u.stack == "a" }` + "\npairs contains {\"u\": unit, \"n\": unit.quadlet} if some unit in input.units": "units.quadlet? units.stack",
		about + `some x in pairs; x != {} }` + "\npairs contains {\"u\": unit.stack} if some unit in input.units":                         "units.stack",
		`finding contains {"subject": unit.name, "message": "m", "evidence": {"all": unit}} if some unit in input.units`:                  "units",
		about + `input.user.linger; f(unit) }` + "\nf(u) if input.manager.version > u.v":                                                  "manager.version units.v user.linger",
		about + `input.collected_at > unit.since }`:                                                                                       "collected_at units.since",
		about + `x := input; x.user }`:                                                         "*",
		about + `x := input.manager; x.version; x.state }`:                                     "manager.state manager.version manager?",
		about + `x := input.manager; x == unit.y }`:                                            "manager units.y",
		about + `x := input.manager; some k; x[k] == unit.y }`:                                 "manager.* manager? units.y",
		about + `x := input; f(x) }` + "\nf(d) if d == 3":                                      "*",
		about + `some k; input[k] }`:                                                           "*",
		about + `count(input.units) > 1; object.get(input.podman, "present", false) }`:         "podman units",
		about + `not y }` + "\ny if input.storage.x":                                           "storage.x",
		about + `count([1 | input.local.a.data]) > 0 }`:                                        "local.a.data",
		about + `x := {"a": input.user.linger, "b": input.user.name}; x.a }`:                   "user.linger user.name?",
		about + `x := [input.user.linger, unit.stack]; x[1] }`:                                 "units.stack user.linger?",
		about + `y == 1 }` + "\ny := input.storage.x if input.user.a else := input.storage.z":  "storage.x storage.z user.a",
		about + `pods[unit.x] }` + "\npods contains unit.pod if some unit in input.units":      "units.pod units.x",
		about + `by[unit.name] }` + "\nby[unit.name] := unit.pod if some unit in input.units":  "units.pod",
		about + `every c in unit.labels { c.state == "x" } }`:                                  "units.labels",
		about + `every c in input.podman.unowned { c.state == "running" } }`:                   "podman.unowned",
		about + `{"a": x} = unit.obj; x == 1 }`:                                                "units.obj units.obj.a",
		about + `[x, 2] = unit.list; x == 1 }`:                                                 "units.list units.list.0 units.list.1",
		about + `walk(unit.files, [_, x]); x == 1 }`:                                           "units.files",
		about + `data.b[unit.name] }`:                                                          "units.loaded.active_state",
		host + `f(input.user.a) }` + "\nf(x) := x":                                             "user.a",
		host + `not f(input.user.a) }` + "\nf(x) := y if some y in [x]":                        "user.a",
		host + `p.x.y }` + "\np[k] contains v if { k := input.user.a; v := input.user.b }":     "user.a user.b",
		host + `p.q.x.y }` + "\np.q[k] contains v if { k := input.user.a; v := input.user.b }": "user.a user.b",
		host + `p.x.y }` + "\np[k][l] := true if { k := input.user.a; l := input.user.b }":     "user.a user.b",
	} {
		s := of(t, rules)
		got := strings.Join(s.Keys, " ")
		if s.Whole {
			got = "*"
		}
		if got != want || !slices.IsSorted(s.Keys) {
			t.Errorf("%s: reads %q, want %q", rules, got, want)
		}
	}
}

// A rule that would take too long to follow is about the whole document.
func TestManySteps(t *testing.T) {
	var rules strings.Builder
	rules.WriteString(about + "f0(unit) }\nf30(u) if u.loaded\n")
	for i := range 30 {
		a, b := "f"+string(rune('0'+i/10))+string(rune('0'+i%10)), "f"+string(rune('0'+(i+1)/10))+string(rune('0'+(i+1)%10))
		if i == 0 {
			a = "f0"
		}
		rules.WriteString(a + "(u) if { " + b + "(u); " + b + "(u) }\n")
	}
	if s := of(t, rules.String()); s.Unit || !s.Whole {
		t.Errorf("got %+v", s)
	}
}

// What is decided again when a setting changes must not miss one that is read.
func TestSettings(t *testing.T) {
	for rules, want := range map[string]string{
		host + `input.user.linger == false }`:                                                                        "",
		host + `count(data.settings.restart) > 1 }`:                                                                  "restart",
		host + `data.settings["grace"].default == "1h" }`:                                                            "grace",
		host + `some key in ["restart"]; count(data.settings[key]) > 1 }`:                                            "*",
		host + `settings := data.settings; count(settings.restart) > 1 }`:                                            "*",
		host + `f(data.settings) }` + "\nf(s) if s.restart":                                                          "*",
		host + `p.q.x.y }` + "\np.q[k] contains v if { some k, v in data.settings.restart }":                         "restart",
		host + `f("x") }` + "\nf(x) if x in data.settings.restart":                                                   "restart",
		host + `every x in data.settings.restart { x != "a" }; not data.settings.trust }`:                            "restart,trust",
		host + `x := [y | some y in data.settings.restart]; count(x) > 1 }`:                                          "restart",
		host + `f }` + "\ndefault f := false\nf if data.settings.a\nelse if data.settings.b":                         "a,b",
		host + `wanted.free > 1 }` + "\nwanted := data.settings.storage":                                             "storage",
		host + `some s in {"a": data.settings.restart, "b": {data.settings.settle}}; s }`:                            "restart,settle",
		`import data.settings as s` + "\n" + host + `s.restart == [] }`:                                              "restart",
		`import data.settings.restart` + "\n" + host + `restart == [] }`:                                             "restart",
		host + `x with data.settings as {"restart": data.settings.settle} }` + "\nx if data.settings.restart":        "restart,settle",
		`finding contains {"subject": "host", "message": data.settings.settle} if not input.user.linger`:             "settle",
		`finding contains {"subject": "host", "message": data.settings.settle} if { input.x[data.settings.repeat] }`: "repeat,settle",
	} {
		if got := strings.Join(of(t, rules).Settings, ","); got != want {
			t.Errorf("%s: %q; want %q", rules, got, want)
		}
	}
}
