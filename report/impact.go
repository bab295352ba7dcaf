package report

import (
	"fmt"
	"io"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/replay"
)

// Impact is what other rules would have changed, and how to show it.
type Impact struct {
	replay.Impact
	Options
}

// ImpactFormats lists every way to write an impact.
func ImpactFormats() []output.Format[Impact] {
	return []output.Format[Impact]{
		{Name: "text", Write: writeImpact},
		{Name: "json", Write: func(w io.Writer, i Impact) error { return JSON(w, i.Impact) }},
	}
}

func writeImpact(w io.Writer, i Impact) error {
	p := newPrinter(w, i.Options)
	if i.Audits == 0 {
		p.line("No audit was recorded since %s.", minute(i.Since))
		return p.err
	}
	summary := fmt.Sprintf("%s of %s since %s: ", text.Count(i.Audits, "audit", "audits"), text.Count(i.Documents, "document", "documents"), minute(i.Since))
	if i.IsNone() {
		p.paragraph(0, "", summary+"nothing would have been different.")
	} else {
		p.paragraph(0, "", summary+i.Sentence()+".")
	}
	if words := i.Assumes(); words != "" {
		p.paragraph(0, "", words)
	}
	for _, f := range i.Findings {
		p.line("")
		p.paragraph(0, p.paint(changeWord(f.Change), colorOf(f.Change), pretty.Bold)+"  ", text.Clean(f.Invariant)+"  "+text.Clean(f.Subject))
		p.paragraph(2, "", text.Clean(f.Message))
		p.paragraph(2, "", fmt.Sprintf("%s, in %s", levels(f), during(f.First, f.Last, f.Audits)))
	}
	p.changes("Alerts", len(i.Alerts))
	for _, a := range i.Alerts {
		p.paragraph(2, "", fmt.Sprintf("%s: %s %s: %s of %s", minute(a.At), a.Change, a.Severity, text.Clean(a.Invariant), text.Clean(a.Subject)))
	}
	p.changes("Actions", len(i.Actions))
	for _, a := range i.Actions {
		sure := ""
		if !a.Certain {
			sure = " (a guess)"
		}
		p.paragraph(2, "", fmt.Sprintf("%s: %s: %s of %s%s", minute(a.At), a.Change, a.Action, text.Clean(a.Subject), sure))
	}
	if i.ExactUntil.Before(i.Until) {
		p.paragraph(2, "", "From "+minute(i.ExactUntil)+" on all that is said here is a guess: the facts would have been different.")
	}
	for _, u := range i.Unknown {
		p.line("")
		p.paragraph(0, p.paint("UNKNOWN", pretty.FgYellow, pretty.Bold)+"  ", during(u.From, u.To, u.Audits))
		p.paragraph(2, "", text.Clean(u.Reason))
	}
	return p.err
}

// Sentence says how much would have been different.
func (i Impact) Sentence() string {
	some := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	return fmt.Sprintf("%s, %s and %s would have been different", some(len(i.Findings), "finding"), some(len(i.Alerts), "alert"), some(len(i.Actions), "action"))
}

// Assumes says for how many audits the present rules count as those of then; "" for none.
func (i Impact) Assumes() string {
	if i.Assumed == 0 {
		return ""
	}
	return fmt.Sprintf("The rules of %d audits are not kept: these are compared with the present ones.", i.Assumed)
}

func (p *printer) changes(what string, n int) {
	if n > 0 {
		p.line("")
		p.heading(what)
	}
}

func changeWord(change string) string {
	switch change {
	case replay.New:
		return "NEW"
	case replay.Gone:
		return "GONE"
	}
	return "OTHER " + map[string]string{replay.Effect: "EFFECT", replay.Severity: "SEVERITY"}[change]
}

func colorOf(change string) pretty.Color {
	switch change {
	case replay.New:
		return pretty.FgRed
	case replay.Gone:
		return pretty.FgGreen
	}
	return pretty.FgYellow
}

func levels(f replay.Changed) string {
	switch {
	case f.Before == "":
		return f.After
	case f.After == "":
		return f.Before
	}
	return f.Before + " would be " + f.After
}
