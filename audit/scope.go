package audit

import (
	"fmt"
	"slices"
	"strings"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// subjects checks the names an operator gave: one that is not known would
// check nothing, and pass. A name may leave out ".service".
func subjects(names []string, doc *facts.Document) ([]string, error) {
	known := append([]string{finding.Host}, doc.Subjects()...)
	var out []string
	for _, n := range names {
		if !slices.Contains(known, n) && slices.Contains(known, n+".service") {
			n += ".service"
		}
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%q is not managed; known are: %s", n, strings.Join(known, ", "))
		}
		out = append(out, n)
	}
	return out, nil
}

// concerning returns the findings on the subjects of the audit, and those that
// could not be decided for any.
func (r *run) concerning(o enforce.Observation) []finding.Finding {
	kept := make([]finding.Finding, 0, len(o.Result.Decisions))
	for _, f := range o.Result.Decisions {
		if len(r.subjects) == 0 || slices.Contains(r.subjects, f.Subject) || f.IsUnknown() {
			kept = append(kept, f)
		}
	}
	return kept
}
