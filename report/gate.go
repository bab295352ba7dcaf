package report

import (
	"fmt"
	"io"
	"slices"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/finding"
	"stackpolicy/gate"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// Gated is what a gate says, and how to show it.
type Gated struct {
	gate.Result
	Options
}

// GateFormats lists every way to write a gate's result.
func GateFormats() []output.Format[Gated] {
	return []output.Format[Gated]{
		{Name: "text", Write: writeGate},
		{Name: "json", Write: func(w io.Writer, g Gated) error { return JSON(w, g.Result) }},
	}
}

// writeGate writes the verdict, then what made it, each with the command that says more, then
// what did not count.
func writeGate(w io.Writer, g Gated) error {
	p := newPrinter(w, g.Options)
	p.gateVerdict(g.Result)
	for _, c := range g.Worse {
		p.change(c)
	}
	for _, c := range g.Undecided {
		p.change(c)
	}
	for _, x := range g.Waiting {
		p.line("")
		p.paragraph(0, p.paint(unknown.word, unknown.color, pretty.Bold)+"  ", x.String())
		next := "systemctl --user status " + x.Subject
		if x.Subject == gate.HostWaits {
			next = "stackpolicy eval"
		}
		p.paragraph(2, "next: ", "`"+next+"`")
	}
	p.changesAlso("There before as well", g.Remaining)
	p.changesAlso("Gone", g.Gone)
	p.changesAlso("Found later, or found worse, if nothing changes", g.Coming)
	return p.err
}

func (p *printer) gateVerdict(r gate.Result) {
	since := fmt.Sprintf("%s (%s)", second(r.Before.At), map[string]string{
		gate.FromBegin: "gate begin", gate.FromRun: "before the command", gate.FromMemory: "the last audit before the change",
	}[r.Before.From])
	switch r.ExitCode {
	case finding.LevelOK.ExitCode():
		p.paragraph(0, p.paint("OK", pretty.FgGreen, pretty.Bold)+"  ", "nothing got worse since "+since)
	case finding.LevelCritical.ExitCode():
		p.paragraph(0, p.paint("WORSE", pretty.FgRed, pretty.Bold)+"  ", text.Count(len(r.Worse), "finding", "findings")+" since "+since)
	default:
		p.paragraph(0, p.paint(unknown.word, unknown.color, pretty.Bold)+"  ", "it cannot be told whether anything got worse since "+since)
	}
	if r.Command != nil && r.Command.Status != 0 {
		p.paragraph(2, "", fmt.Sprintf("The command failed with exit status %d, so nothing was waited for.", r.Command.Status))
	}
	if r.Before.Generation != r.After.Generation {
		p.paragraph(2, "before: ", orNone(r.Before.Generation))
		p.paragraph(2, "now: ", orNone(r.After.Generation))
	}
}

func orNone(generation string) string {
	if generation == "" {
		return "no generation"
	}
	return generation
}

var changeWords = map[string]string{
	gate.New: "new", gate.MoreSevere: "more severe than before", gate.NotHealed: "was a heal, and is an alert", gate.NotWaived: "was waived",
	gate.Undecided: "could be decided before, and cannot now", gate.WasUnknown: "whether it was there before is not known",
}

// change writes a finding that made the verdict.
func (p *printer) change(c gate.Change) {
	word := map[finding.Severity]verdict{finding.Page: page, finding.Unknown: unknown}[c.Severity]
	if word.word == "" {
		word = ticket
	}
	p.line("")
	p.paragraph(0, p.paint(word.word, word.color, pretty.Bold)+"  ", fmt.Sprintf("%s  %s: %s", c.Invariant, c.Subject, changeWords[c.Change]))
	p.paragraph(2, "", c.Message)
	p.paragraph(2, "next: ", "`"+c.Explain+"`")
}

func (p *printer) changesAlso(heading string, list []gate.Change) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.heading(heading)
	known := slices.DeleteFunc(slices.Clone(list), func(c gate.Change) bool { return c.Severity == finding.Unknown })
	if n := len(list) - len(known); n > 0 { // a gap has many, which say the same
		p.paragraph(2, "", fmt.Sprintf("unknown  %s: `stackpolicy eval`", text.Count(n, "undecided invariant or gap", "undecided invariants or gaps")))
	}
	for _, c := range known {
		p.paragraph(2, "", fmt.Sprintf("%s  %s %s: %s", c.Severity, c.Invariant, c.Subject, c.Message))
	}
}
