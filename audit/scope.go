package audit

import (
	"fmt"
	"slices"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// subjects returns the full names of the units to report. A name that is not known is an
// error: otherwise nothing would be checked, and that would pass. ".service" may be left
// out.
func subjects(names []string, doc *facts.Document) ([]string, error) {
	known := append([]string{finding.Host}, doc.Subjects()...)
	var out []string
	for _, n := range names {
		if !slices.Contains(known, n) && slices.Contains(known, n+".service") {
			n += ".service"
		}
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%q is not managed; %s", n, text.Known(n, known))
		}
		out = append(out, n)
	}
	return out, nil
}

// concerning returns the findings on the audit's subjects, and the invariants that could
// not be decided for any unit.
func (r *run) concerning(o enforce.Observation) []finding.Finding {
	kept := make([]finding.Finding, 0, len(o.Result.Decisions))
	for _, f := range o.Result.Decisions {
		if len(r.subjects) == 0 || slices.Contains(r.subjects, f.Subject) || f.IsUnknown() {
			kept = append(kept, f)
		}
	}
	return kept
}
