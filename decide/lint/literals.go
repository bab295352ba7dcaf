package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// checkFindings refuses mistakes in the literal of a finding: unknown keys and names, and
// missing keys.
func checkFindings(modules map[string]*ast.Module, refusal *policy.Refusal) {
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

// checkFinding checks the keys of a finding that is written in the head.
func checkFinding(file string, rule *ast.Rule, refusal *policy.Refusal) {
	object, ok := rule.Head.Key.Value.(ast.Object)
	if !ok {
		return
	}
	for _, key := range []string{"subject", "effect", "message"} {
		if object.Get(ast.StringTerm(key)) == nil {
			refusal.Add(file, rule.Location.Row, "the finding has no %s; want {subject, effect, message, evidence}", key)
		}
	}
	object.Foreach(func(k, _ *ast.Term) {
		if key, ok := constant(k); ok && !slices.Contains(policy.FindingKeys(), key) {
			refusal.Add(file, k.Location.Row, "unknown key %s in the finding; %s", key, policy.OneOf(policy.FindingKeys()))
		}
	})
}

// checkNames checks the constant names in a finding.
func checkNames(file string, found ast.Object, refusal *policy.Refusal) {
	known := map[string][]string{
		"effect": policy.Texts(finding.RuleEffects()), "severity": policy.Texts(finding.RuleSeverities()),
		"action": policy.Texts(finding.Actions()),
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		term := found.Get(ast.StringTerm(key))
		if term == nil {
			continue
		}
		if name, ok := constant(term); ok && !slices.Contains(known[key], name) {
			refusal.Add(file, term.Location.Row, "unknown %s %q; %s", key, name, policy.OneOf(known[key]))
		}
	}
}

// checkRunbooks requires steps for every case that a rule names, and that the rule's evidence
// has a value for every placeholder.
func checkRunbooks(compiler *ast.Compiler, invariants []*policy.Invariant, refusal *policy.Refusal) {
	for _, inv := range invariants {
		if inv.Runbook.File == "" {
			continue
		}
		keys, cases := literals(compiler, inv)
		checkCases(inv.Runbook, cases, refusal)
		checkPlaceholders(inv.Runbook, keys, refusal)
	}
}

// literals returns every constant key of the objects that the findings use, and every case
// that they name, with its place.
func literals(compiler *ast.Compiler, inv *policy.Invariant) (map[string]bool, map[string]*ast.Location) {
	keys, cases := map[string]bool{"unit": true, policy.ActivateKey: true, policy.HomeManagerKey: true}, map[string]*ast.Location{}
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

func checkCases(book policy.Runbook, cases map[string]*ast.Location, refusal *policy.Refusal) {
	if len(book.Cases) == 0 {
		refusal.Add(book.File, 0, "has no steps; want ## How to mend with ### any, or ### CASE for each case, and numbered steps")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(book.Cases)) {
		if len(book.Cases[name]) == 0 {
			refusal.Add(book.File, 0, "### %s has no steps; want 1. …", name)
		}
	}
	if book.Cases[policy.AnyCase] != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		if _, ok := book.Cases[name]; !ok {
			at := cases[name]
			refusal.Add(at.File, at.Row, "the runbook %s has no ### %s and no ### any below ## How to mend", book.File, name)
		}
	}
	if len(cases) == 0 {
		refusal.Add(book.File, 0, "the findings name no case; want ### any below ## How to mend")
	}
}

func checkPlaceholders(book policy.Runbook, keys map[string]bool, refusal *policy.Refusal) {
	for _, steps := range book.Cases {
		for _, s := range steps {
			for _, match := range policy.Braces.Get().FindAllString(s.Text, -1) {
				name, err := policy.Placeholder(match)
				switch {
				case err != nil:
					refusal.Add(book.File, s.Line, "%v", err)
				case name != "" && !keys[name]:
					refusal.Add(book.File, s.Line, "no finding's evidence has a key %s for the placeholder %s", name, match)
				}
			}
		}
	}
}
