package decide

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// graceSetting is where rules read grace periods.
var graceSetting = ast.MustParseRef("data.settings.grace")

// checkGrace refuses grace periods of invariants whose rule knows none, which
// would say one thing and do another.
func (doc *settingsDoc) checkGrace(compiler *ast.Compiler, invariants []*Invariant, refusal *Refusal) {
	var patient []string
	for _, inv := range invariants {
		if inv.readsGrace(compiler) {
			patient = append(patient, inv.ID)
		}
	}
	for _, inv := range invariants {
		if _, given := doc.Settings.Grace[inv.ID]; given && !slices.Contains(patient, inv.ID) {
			doc.problem(refusal, "grace."+inv.ID, "its rule has no grace period; %s", oneOf(patient))
		}
	}
}

func (inv *Invariant) readsGrace(compiler *ast.Compiler) bool {
	return slices.ContainsFunc(reached(compiler, inv), func(rule *ast.Rule) bool {
		found := false
		ast.WalkRefs(rule, func(ref ast.Ref) bool {
			found = found || ref.HasPrefix(graceSetting)
			return found
		})
		return found
	})
}
