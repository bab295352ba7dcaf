package regotest

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// untested returns a failure for each invariant that no test reads: with a mistake in its rule
// every test would still pass.
func untested(invariants []*policy.Invariant, tests map[string]*ast.Module) []Result {
	read := map[string]bool{}
	for _, module := range tests {
		if hasTest(module) {
			addRead(module, read)
		}
	}
	var failures []Result
	for _, inv := range invariants {
		if read[inv.ID] {
			continue
		}
		failures = append(failures, Result{
			Name: "stackpolicy.invariants." + inv.ID, File: inv.File, Line: inv.Line, Status: StatusFail,
			Message: fmt.Sprintf("no test reads this rule; write %s with a rule test_… that compares data.stackpolicy.invariants.%s.finding (stackpolicy policy new ID writes an example)",
				strings.TrimSuffix(inv.File, ".rego")+"_test.rego", inv.ID),
		})
	}
	return failures
}

func hasTest(module *ast.Module) bool {
	for _, rule := range module.Rules {
		if name, ok := rule.Head.Ref()[0].Value.(ast.Var); ok && strings.HasPrefix(string(name), "test_") {
			return true
		}
	}
	return false
}

// addRead adds the ids of the invariants that a module imports, or names in full.
func addRead(module *ast.Module, read map[string]bool) {
	prefix := ast.MustParseRef("data.stackpolicy.invariants")
	for _, i := range module.Imports { // walking a module passes over their references
		if ref, ok := i.Path.Value.(ast.Ref); ok {
			addID(ref, prefix, read)
		}
	}
	ast.WalkRefs(module, func(ref ast.Ref) bool {
		addID(ref, prefix, read)
		return false
	})
}

func addID(ref, prefix ast.Ref, read map[string]bool) {
	if len(ref) > len(prefix) && ref.HasPrefix(prefix) {
		if id, ok := ref[len(prefix)].Value.(ast.String); ok {
			read[string(id)] = true
		}
	}
}
