package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// checkCalls refuses calls of builtins that are not allowed, and the keyword with: with it, a
// rule could decide on facts that were not collected.
func checkCalls(modules map[string]*ast.Module, refusal *policy.Refusal) {
	refused := map[string]bool{}
	for _, b := range ast.Builtins {
		refused[b.Name] = !slices.Contains(allowedBuiltins(), b.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		ast.WalkTerms(modules[name], func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && refused[ref.String()] {
				refusal.Add(name, t.Location.Row, "the builtin %s is not allowed; rules decide by the document and the settings alone", ref)
			}
			return false
		})
		ast.WalkWiths(modules[name], func(w *ast.With) bool {
			refusal.Add(name, w.Location.Row, "with replaces facts; it belongs in tests")
			return false
		})
	}
}
