package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// deniedFamilies are builtins that are deterministic, or say so, and yet have
// no place in a decision on a document: they reach for the network, for keys,
// or for the text of the rules.
var deniedFamilies = []string{
	"crypto.", "graphql.", "http.", "io.jwt.", "json.match_schema", "json.verify_schema",
	"net.", "opa.", "providers.", "rand.", "rego.parse_module", "time.now_ns", "trace", "uuid.",
}

// allowedBuiltin reports whether rules may call it: whatever always answers
// the same for the same document.
func allowedBuiltin(b *ast.Builtin) bool {
	return !b.IsNondeterministic() && !slices.ContainsFunc(deniedFamilies, func(family string) bool {
		return strings.HasPrefix(b.Name, family)
	})
}

// Capabilities are what rules are compiled with. A schema's $ref is never
// fetched.
func Capabilities() *ast.Capabilities {
	c := &ast.Capabilities{Features: ast.Features, AllowNet: []string{}}
	for _, b := range ast.Builtins {
		if allowedBuiltin(b) {
			c.Builtins = append(c.Builtins, b)
		}
	}
	return c
}

// checkCalls refuses calls of builtins outside the allowed set, and with,
// which would let a rule decide on facts that nobody collected.
func checkCalls(modules map[string]*ast.Module, refusal *policy.Refusal) {
	denied := map[string]bool{}
	for _, b := range ast.Builtins {
		if !allowedBuiltin(b) {
			denied[b.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		ast.WalkTerms(modules[name], func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && denied[ref.String()] {
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
