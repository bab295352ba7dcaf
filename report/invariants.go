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
	List    []policy.Invariant
	Origins policy.Origins
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
		about = append(about, originWords(in.Origins.ByID[i.ID])...)
		p.paragraph(0, p.paint(text.Clean(i.ID), pretty.Bold)+"  ", "("+strings.Join(about, ", ")+")")
		p.paragraph(2, "", i.Title)
	}
	for _, note := range []string{in.Origins.MissingNote(), in.Origins.BelowNote()} {
		if note != "" {
			p.paragraph(0, "", note)
		}
	}
	return p.err
}

// originWords says where an invariant comes from, and what became of the built-in rule since
// it was replaced, copied, or last seen below a layer.
func originWords(o policy.Origin) []string {
	words := map[policy.Since]string{
		policy.SinceUnchanged: "the built-in rule is unchanged since",
		policy.SinceChanged:   "the built-in rule has changed since",
		policy.SinceUnknown:   "unknown whether the built-in rule has changed since",
		policy.SinceRemoved:   "the built-in rule that it replaces does not exist any more",
		policy.SinceNew:       "new since the last policy upgrade",
	}
	switch {
	case o.From == "":
		return nil
	case o.Since == "":
		return []string{string(o.From)}
	case o.From == policy.FromBuiltin && o.Since == policy.SinceChanged:
		return []string{string(o.From), "changed since the last policy upgrade"}
	}
	return []string{string(o.From), words[o.Since]}
}
