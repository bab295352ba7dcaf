package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/decide"
)

// Explanation is a decision with the invariant that made it.
type Explanation struct {
	Decision  decide.Decision
	Invariant decide.Invariant
}

// Class says in words what an invariant of a class is asked of.
func Class(class string) string {
	switch class {
	case "stack":
		return "stack"
	case "host":
		return "host as a whole"
	}
	return "managed unit"
}

// Explain writes each decision with its evidence, the rule's own text, what
// would make it allow, and every step of the runbook.
func Explain(w io.Writer, list []Explanation, o Options) error {
	p := printer{w: w, o: o}
	p.o.Width = max(o.Width, minWidth)
	if len(list) == 0 {
		p.line("Every invariant holds; there is nothing to explain.")
	}
	for i, e := range list {
		if i > 0 {
			p.line("")
		}
		p.explanation(e)
	}
	return p.err
}

func (p *printer) explanation(e Explanation) {
	d, inv := e.Decision, e.Invariant
	word, color := verdict(d)
	if d.Effect == "allow" {
		word, color = "ALLOW", text.FgGreen
	}
	p.line("%s  %s  %s", p.paint(word, color, text.Bold), Clean(inv.ID), p.paint(Clean(d.Subject), text.Bold))
	p.paragraph(2, "", d.Message)
	p.section("evidence")
	for _, key := range slices.Sorted(maps.Keys(d.Evidence)) {
		p.paragraph(4, key+": ", evidenceText(d.Evidence[key]))
	}
	p.section("what it checks")
	p.paragraph(4, "", strings.Join(strings.Fields(inv.Description), " "))
	if d.Effect != "allow" {
		p.section("it allows when")
		p.paragraph(4, "", allowsWhen(d, inv))
		p.steps(d)
	}
	p.section(fmt.Sprintf("the rule, %s:%d", inv.File, inv.Line))
	for _, line := range strings.Split(strings.TrimRight(inv.Text, "\n"), "\n") {
		p.line("    %s", Clean(strings.ReplaceAll(line, "\t", "  ")))
	}
}

func (p *printer) section(name string) { p.line("  %s", p.paint(Clean(name), text.FgCyan)) }

func (p *printer) steps(d decide.Decision) {
	if p.o.Steps == nil {
		return
	}
	steps := p.o.Steps(d)
	if len(steps) > 0 {
		p.section("what to do")
	}
	for i, s := range steps {
		p.paragraph(4, fmt.Sprintf("%d. ", i+1), s)
	}
}

// allowsWhen is the good state, and what is expected here where the finding
// says so.
func allowsWhen(d decide.Decision, inv decide.Invariant) string {
	s := inv.Title
	if want, ok := d.Evidence["expected"]; ok {
		s += "; here: " + evidenceText(want)
		if got, ok := d.Evidence["found"]; ok {
			s += ", and not: " + evidenceText(got)
		}
	}
	return s
}

func evidenceText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
