package lint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// graceSetting is where rules read grace periods.
var graceSetting = ast.MustParseRef("data.settings.grace")

// checkGrace refuses grace periods of invariants whose rule does not read them: such a
// setting would have no effect.
func checkGrace(compiler *ast.Compiler, folder *policy.Folder) {
	var patient []string
	for _, inv := range folder.Invariants {
		if readsGrace(compiler, inv) {
			patient = append(patient, inv.ID)
		}
	}
	for _, inv := range folder.Invariants {
		if _, given := folder.Settings.Grace[inv.ID]; given && !slices.Contains(patient, inv.ID) {
			folder.RefuseSetting("grace."+inv.ID, "its rule has no grace period; %s", policy.OneOf(patient))
		}
	}
}

func readsGrace(compiler *ast.Compiler, inv *policy.Invariant) bool {
	return slices.ContainsFunc(reached(compiler, inv), func(rule *ast.Rule) bool {
		found := false
		ast.WalkRefs(rule, func(ref ast.Ref) bool {
			found = found || ref.HasPrefix(graceSetting)
			return found
		})
		return found
	})
}
