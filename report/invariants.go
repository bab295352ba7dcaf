package report

import (
	"io"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/decide/policy"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// Invariants is a list of invariants, and how it is to be written.
type Invariants struct {
	List []policy.Invariant
	Options
}

// InvariantFormats lists every way to write invariants.
func InvariantFormats() []output.Format[Invariants] {
	return []output.Format[Invariants]{
		{Name: "text", Write: writeInvariants},
		{Name: "json", Write: writeInvariantsJSON},
	}
}

// writeInvariants writes a paragraph for each invariant: its id, class, severity, scope and
// actions, and the good state.
func writeInvariants(w io.Writer, in Invariants) error {
	p := newPrinter(w, in.Options)
	for _, i := range in.List {
		decided := "decided as a whole"
		if i.Scope.PerUnit() {
			decided = "decided per unit"
		}
		about := []string{string(i.Class), string(i.Severity), decided}
		for n, action := range i.Actions {
			if n == 0 {
				action = "may " + action
			}
			about = append(about, string(action))
		}
		p.paragraph(0, p.paint(text.Clean(i.ID), pretty.Bold)+"  ", "("+strings.Join(about, ", ")+")")
		p.paragraph(2, "", i.Title)
	}
	return p.err
}
