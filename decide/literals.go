package decide

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkFindings refuses mistakes that can be read off a finding's literal:
// keys and names that are not known, and keys that are missing.
func checkFindings(modules map[string]*ast.Module, refusal *Refusal) {
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		for _, rule := range modules[name].Rules {
			if rule.Head.Name == "finding" && rule.Head.Key != nil {
				checkFinding(name, rule, refusal)
			}
		}
		ast.WalkTerms(modules[name], func(t *ast.Term) bool {
			if object, ok := t.Value.(ast.Object); ok && object.Get(ast.StringTerm("subject")) != nil {
				checkNames(name, object, refusal)
			}
			return false
		})
	}
}

// checkFinding looks at the keys of a finding that is written in the head.
func checkFinding(file string, rule *ast.Rule, refusal *Refusal) {
	object, ok := rule.Head.Key.Value.(ast.Object)
	if !ok {
		return
	}
	for _, key := range []string{"subject", "effect", "message"} {
		if object.Get(ast.StringTerm(key)) == nil {
			refusal.add(file, rule.Location.Row, "the finding has no %s; want {subject, effect, message, evidence}", key)
		}
	}
	object.Foreach(func(k, _ *ast.Term) {
		if key, ok := constant(k); ok && !slices.Contains(findingKeys(), key) {
			refusal.add(file, k.Location.Row, "unknown key %s in the finding; %s", key, oneOf(findingKeys()))
		}
	})
}

// checkNames looks at the names that a finding spells out.
func checkNames(file string, finding ast.Object, refusal *Refusal) {
	known := map[string][]string{"effect": effects(), "severity": severities(), "action": actions()}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		term := finding.Get(ast.StringTerm(key))
		if term == nil {
			continue
		}
		if name, ok := constant(term); ok && !slices.Contains(known[key], name) {
			refusal.add(file, term.Location.Row, "unknown %s %q; %s", key, name, oneOf(known[key]))
		}
	}
}

// checkRunbooks asks for steps for every case that a rule names, and for
// placeholders that a rule's evidence can fill.
func checkRunbooks(compiler *ast.Compiler, invariants []*Invariant, refusal *Refusal) {
	for _, inv := range invariants {
		if inv.Runbook.File == "" {
			continue
		}
		keys, cases := inv.literals(compiler)
		inv.checkCases(cases, refusal)
		inv.checkPlaceholders(keys, refusal)
	}
}

// literals returns every constant key of the objects that the findings rest
// on, and every case they name with its place.
func (inv *Invariant) literals(compiler *ast.Compiler) (map[string]bool, map[string]*ast.Location) {
	keys, cases := map[string]bool{"unit": true}, map[string]*ast.Location{}
	for _, rule := range reached(compiler, inv) {
		ast.WalkTerms(rule, func(t *ast.Term) bool {
			object, ok := t.Value.(ast.Object)
			if !ok {
				return false
			}
			object.Foreach(func(k, v *ast.Term) {
				key, _ := constant(k)
				keys[key] = true
				if name, ok := constant(v); ok && key == "case" && cases[name] == nil {
					cases[name] = locate(v.Location, rule)
				}
			})
			return false
		})
	}
	return keys, cases
}

func (inv *Invariant) checkCases(cases map[string]*ast.Location, refusal *Refusal) {
	book := inv.Runbook
	if len(book.cases) == 0 {
		refusal.add(book.File, 0, "has no steps; want ## How to mend with ### any, or ### CASE for each case, and numbered steps")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(book.cases)) {
		if len(book.cases[name]) == 0 {
			refusal.add(book.File, 0, "### %s has no steps; want 1. …", name)
		}
	}
	if book.cases[anyCase] != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		if _, ok := book.cases[name]; !ok {
			at := cases[name]
			refusal.add(at.File, at.Row, "the runbook %s has no ### %s and no ### any below ## How to mend", book.File, name)
		}
	}
	if len(cases) == 0 {
		refusal.add(book.File, 0, "the findings name no case; want ### any below ## How to mend")
	}
}

func (inv *Invariant) checkPlaceholders(keys map[string]bool, refusal *Refusal) {
	for _, steps := range inv.Runbook.cases {
		for _, s := range steps {
			for _, match := range braces.Get().FindAllString(s.text, -1) {
				name, err := placeholder(match)
				switch {
				case err != nil:
					refusal.add(inv.Runbook.File, s.line, "%v", err)
				case name != "" && !keys[name]:
					refusal.add(inv.Runbook.File, s.line, "no finding's evidence has a key %s for the placeholder %s", name, match)
				}
			}
		}
	}
}
