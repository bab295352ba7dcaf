package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/audit"
	"stackpolicy/decide/policy"
	"stackpolicy/explain"
	"stackpolicy/finding"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// Explained are explanations, and how to show them.
type Explained struct {
	List     []explain.Explanation
	Report   *audit.Report // that they are from
	ExitCode int           // for what is explained
	Options
}

// ExplainFormats lists every way to write explanations.
func ExplainFormats() []output.Format[Explained] {
	return []output.Format[Explained]{
		{Name: "text", Write: writeExplained},
		{Name: "json", Write: writeExplainedJSON},
	}
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

// writeExplained writes each finding with what to do about it, what changed before it, its
// evidence, the last log lines, what would make it allow, and the source of the rule, which is
// not wrapped.
func writeExplained(w io.Writer, e Explained) error {
	p := newPrinter(w, e.Options)
	if len(e.List) == 0 {
		p.line("Every invariant holds; there is nothing to explain.")
	}
	for i, e := range e.List {
		if i > 0 {
			p.line("")
		}
		p.explanation(e)
	}
	return p.err
}

func (p *printer) explanation(e explain.Explanation) {
	d, inv := e.Decision, e.Invariant
	v := verdictOf(d)
	p.paragraph(0, p.paint(v.word, v.color, pretty.Bold)+"  ", inv.ID+"  "+d.Subject, pretty.Bold)
	p.paragraph(2, "", d.Message)
	if !e.Since.IsZero() {
		p.paragraph(2, "", "open since "+p.when(e.Since))
	}
	p.waiver(2, d)
	p.steps(d)
	p.before(e.Before)
	if len(d.Evidence) > 0 {
		p.section("evidence")
	}
	for _, key := range slices.Sorted(maps.Keys(d.Evidence)) {
		p.paragraph(4, text.Clean(key)+": ", evidenceText(d.Evidence[key]))
	}
	p.logs(e.Logs)
	p.section("what it checks")
	p.paragraph(4, "", strings.Join(strings.Fields(inv.Description), " "))
	if !d.IsAllowed() {
		p.section("it allows when")
		p.paragraph(4, "", allowsWhen(d, inv))
	}
	p.rules(e)
}

// when is a time, and how long ago it was where that is known.
func (p *printer) when(t time.Time) string {
	s := second(t)
	if !p.o.Now.IsZero() {
		s += ", " + text.Ago(p.o.Now, t)
	}
	return s
}

func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (p *printer) before(b *explain.Before) {
	if b == nil {
		return
	}
	p.section("what changed before it")
	if !b.From.IsZero() {
		p.paragraph(4, "", fmt.Sprintf("between the audits of %s and %s", second(b.From), second(b.To)))
	}
	for _, c := range b.Changes {
		at := ""
		if c.At != nil {
			at = ", at " + second(*c.At)
		}
		p.paragraph(4, "- ", c.Text+at)
	}
	switch {
	case b.Unknown != "":
		p.paragraph(4, "", b.Unknown)
	case b.Left > 0:
		p.paragraph(4, "", fmt.Sprintf("and %d more", b.Left))
	case len(b.Changes) == 0:
		p.paragraph(4, "", "nothing that the facts of both show")
	}
}

func (p *printer) logs(logs []explain.Log) {
	for _, l := range logs {
		p.section("last log lines of " + l.Of)
		for _, line := range l.Lines {
			p.paragraph(4, "", line)
		}
		switch {
		case l.Error != "":
			p.paragraph(4, "", "they cannot be read: "+l.Error)
		case len(l.Lines) == 0:
			p.paragraph(4, "", "none")
		}
	}
}

// rules writes the rules that gave a finding, each with its place.
func (p *printer) rules(e explain.Explanation) {
	if e.AllRules && !e.Decision.IsAllowed() {
		p.section("the rules (it is not known which of them gave the finding)")
	}
	for _, rule := range e.Rules {
		p.section(fmt.Sprintf("the rule, %s:%d", e.Invariant.File, rule.Line))
		for _, line := range strings.Split(strings.TrimRight(rule.Text, "\n"), "\n") {
			p.line("%s", strings.TrimRight("    "+text.Clean(strings.ReplaceAll(line, "\t", "  ")), " "))
		}
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
