package decide

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"stackpolicy/decide/scope"
)

// functions are what rules made at random call.
const functions = `
f1(x) := x
f2(x) := x.k
f3(x) := y if { some y in x }
f4(x) if x
f5(x) := [x]
f6({"k": y}) := y
f7([y, _]) := y
f8(x) := 1 if { x } else := x
f9("k") := true
f9(true) := false
default f4(_) := false
`

// writer writes rules at random. Most make no sense; V is a value, S a condition, and X a
// variable of its own.
type writer struct {
	*rand.Rand
	vars int
}

var (
	leaves = []string{"input.user.a", "input.user.a", "unit.a", "unit.a", "unit.name", "unit", "input.units[_].a", "input.units[_].name", "input.units", "input.user", `"k"`, `"host"`, "true"}
	values = []string{
		"f1(V)", "f2(V)", "f3(V)", "f4(V)", "f5(V)", "f6(V)", "f7(V)", "f8(V)", "f9(V)",
		"[V]", `{"k": V}`, `{"j": V, "k": V}`, "{V}", "{V: V}", "[X | X := V]", "{X | some X in V}", "{V: X | X := V}", "[1 | S]", "{V} | {V}",
		`object.get(V, "k", V)`, "object.keys(V)", "object.keys({V: 1 | S})", "type_name(V)", "count(V)", "json.marshal(V)",
	}
	ofRules    = []string{"r1", "r1.k", "r2", "r2.k", "r2[V]", "r2[_]", "r3", "r3[V]", "r4.k", "r4.k[V]", "r4", "r5.q.k", "r5.q[V]", "r6.k.k", "r7", "r7.k", "r8.q.k"}
	statements = []string{
		"V", "V", "not V", "V == V", "V != V", "V in V", "X := V; X", "some X in V; X == V", "some X in V; X", "every X in V { X == V }",
		`V = {"k": X}; X`, "V = [X, _]; X", "walk(V, [_, X]); X == V",
	}
)

// fill replaces the placeholders of a form. Values are of rules only with those.
func (w *writer) fill(form string, depth int, rules bool) string {
	w.vars++
	own := fmt.Sprint("x", w.vars)
	var b strings.Builder
	for _, c := range form {
		switch c {
		case 'V':
			b.WriteString(w.value(depth-1, rules))
		case 'S':
			b.WriteString(w.fill(w.one(statements), depth-1, rules))
		case 'X':
			b.WriteString(own)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func (w *writer) one(of []string) string { return of[w.IntN(len(of))] }

func (w *writer) value(depth int, rules bool) string {
	switch {
	case depth <= 0 || w.IntN(5) == 0:
		return w.one(leaves)
	case rules && w.IntN(4) == 0:
		return w.fill(w.one(ofRules), depth, false)
	}
	return w.fill(w.one(values), depth, rules)
}

// module returns rules of each kind, and findings that use them.
func (w *writer) module() string {
	b := strings.Builder{}
	b.WriteString("package a\n" + functions)
	for _, form := range []string{
		"r1 := V if { U; S }", "r2[X] := V if { U; X := V }", "r3 contains X if { U; X := V; S }", "r4[X] contains V if { U; X := V }",
		"r5.q[X] := V if { U; X := V }", "r6[X][V] := V if { U; X := V }", "default r7 := false\nr7 := V if { U; S } else := \"k\"", "r8.q[X] contains V if { U; X := V }",
	} {
		b.WriteString(w.fill(form, 2, false) + "\n")
	}
	b.WriteString(w.fill(`finding contains {"subject": unit.name, "message": "m"} if { U; S }`, 2+w.IntN(2), true) + "\n")
	b.WriteString(w.fill(`finding contains {"subject": "host", "message": X} if { X := V }`, 1+w.IntN(3), true) + "\n")
	return strings.ReplaceAll(b.String(), "U;", "some unit in input.units;")
}

// compiled returns nil for rules that OPA refuses. Types are not checked, as most would be wrong.
func compiled(text string) *ast.Compiler {
	m, err := ast.ParseModuleWithOpts("a.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil
	}
	c := ast.NewCompiler().WithSkipStages(ast.StageCheckTypes)
	if c.Compile(map[string]*ast.Module{"a.rego": m}); c.Failed() {
		return nil
	}
	return c
}

// state is a document: what user has, and each unit.
type state struct {
	user  string
	units []string
}

func (w *writer) state() (s state) {
	a := func() string {
		return w.one([]string{"", `, "a": false`, `, "a": true`, `, "a": "k"`, `, "a": "u2"`, `, "a": {"k": true}`, `, "a": {"k": "u2"}`, `, "a": ["k", "u1"]`, `, "a": []`})
	}
	s.user = `{"user": {"n": 1` + a() + "}"
	for i := range 1 + w.IntN(3) {
		s.units = append(s.units, fmt.Sprintf(`{"name": "u%d"%s}`, i+1, a()))
	}
	return s
}

func (s state) String() string { return s.user + `, "units": [` + strings.Join(s.units, ",") + "]}" }

// digest is of what the rules read, as a memory has it.
func (s state) digest(of scope.Scope) string {
	d := (&tree{text: json.RawMessage(s.user + "}")}).digest(of.Head())
	places, all := of.OfUnits()
	for _, u := range s.units {
		if of.Units && all {
			d += u
		} else if of.Units {
			d += (&tree{text: json.RawMessage(u)}).digest(append([]string{"name"}, places...))
		}
	}
	return d
}

// foundBy returns the findings by subject; nil if the rules fail.
func foundBy(t *testing.T, rules rego.PreparedEvalQuery, s state) map[string]string {
	t.Helper()
	var input any
	if err := json.Unmarshal([]byte(s.String()), &input); err != nil {
		t.Fatal(err)
	}
	results, err := rules.Eval(t.Context(), rego.EvalInput(input))
	if err != nil {
		return nil // such as two values for one key
	}
	by := map[string]string{}
	for _, f := range results[0].Expressions[0].Value.([]any) {
		by[fmt.Sprint(f.(map[string]any)["subject"])] += fmt.Sprint(f)
	}
	return by
}

// Rules of all forms find the same for a unit alone as among others, if they are decided one
// unit at a time, and the same for documents that are equal at all places that they read.
func TestScopesOfRulesAtRandom(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, rand.Uint64()} {
		perUnit, narrow, findings := 0, 0, 0
		for n := range 1500 {
			w := &writer{Rand: rand.New(rand.NewPCG(seed, uint64(n)))}
			text := w.module()
			c := compiled(text)
			if c == nil {
				continue
			}
			of := scope.Of(c, ast.MustParseRef("data.a.finding"))[0]
			rules, err := rego.New(rego.Query("data.a.finding"), rego.Compiler(c)).PrepareForEval(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]string{}
			for range 12 {
				s := w.state()
				all := foundBy(t, rules, s)
				if all == nil || of.Whole {
					continue
				}
				findings += len(all)
				got, digest := fmt.Sprint(all), s.digest(of)
				if seen[digest] != "" && seen[digest] != got {
					t.Fatalf("seed %d.%d: %s gives %s, and %s where all of %q is the same\n%s", seed, n, s, got, seen[digest], of.Keys, text)
				}
				seen[digest] = got
				narrow++
				if !of.PerUnit() {
					continue
				}
				perUnit++
				for i, u := range s.units {
					name := fmt.Sprint("u", i+1)
					if alone := foundBy(t, rules, state{s.user, []string{u}}); alone != nil && alone[name] != all[name] {
						t.Fatalf("seed %d.%d: %s gives %s, and for %s alone %s\n%s", seed, n, s, all[name], name, alone[name], text)
					}
				}
			}
		}
		if perUnit < 50 || narrow < 500 || findings < 500 {
			t.Errorf("%d documents decided, %d unit by unit, with %d findings: too few to show anything", narrow, perUnit, findings)
		}
	}
}
