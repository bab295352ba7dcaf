package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// Explanation is a finding with its invariant.
type Explanation struct {
	Decision  finding.Finding
	Invariant policy.Invariant
}

// Class names what an invariant of a class is about.
func Class(class finding.Class) string {
	switch class {
	case finding.ClassStack:
		return "stack"
	case finding.ClassHost:
		return "host as a whole"
	}
	return "managed unit"
}

// Explain writes each finding with what to do about it, its evidence, what would
// make it allow, and the source of the rule, which is not wrapped.
func Explain(w io.Writer, list []Explanation, o Options) error {
	p := newPrinter(w, o)
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
	v := verdictOf(d)
	p.paragraph(0, p.paint(v.word, v.color, pretty.Bold)+"  ", inv.ID+"  "+d.Subject, pretty.Bold)
	p.paragraph(2, "", d.Message)
	p.waiver(2, d)
	p.steps(d)
	if len(d.Evidence) > 0 {
		p.section("evidence")
	}
	for _, key := range slices.Sorted(maps.Keys(d.Evidence)) {
		p.paragraph(4, text.Clean(key)+": ", evidenceText(d.Evidence[key]))
	}
	p.section("what it checks")
	p.paragraph(4, "", strings.Join(strings.Fields(inv.Description), " "))
	if !d.IsAllowed() {
		p.section("it allows when")
		p.paragraph(4, "", allowsWhen(d, inv))
	}
	p.section(fmt.Sprintf("the rule, %s:%d", inv.File, inv.Line))
	for _, line := range strings.Split(strings.TrimRight(inv.Text, "\n"), "\n") {
		p.line("%s", strings.TrimRight("    "+text.Clean(strings.ReplaceAll(line, "\t", "  ")), " "))
	}
}

func (p *printer) section(name string) { p.paragraph(2, "", name, pretty.FgCyan) }

func (p *printer) steps(d finding.Finding) {
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

// allowsWhen returns the good state, and what the finding expected and found.
func allowsWhen(d finding.Finding, inv policy.Invariant) string {
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
	switch s, ok := v.(string); {
	case ok && s == "":
		return "(empty)"
	case ok:
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
