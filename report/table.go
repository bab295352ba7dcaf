package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/audit"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/text"
)

// writeTable writes a report for an operator: the findings of each unit, the worst
// first, with the next step; collectors that failed; actions; and one line that
// counts the invariants that hold.
func writeTable(w io.Writer, r *audit.Report, o Options) error {
	p := newPrinter(w, o)
	findings, unseen := split(r.Decisions)
	p.findings(findings)
	p.gaps(r.Gaps, unseen)
	p.actions(r.Actions, r.Mode)
	p.holds(r.Holds)
	if slices.ContainsFunc(findings, func(d finding.Finding) bool { return d.Outcome != finding.Healed }) {
		p.paragraph(0, "", "Evidence and every step: `"+explainAll(findings)+"`")
	}
	p.age(r)
	p.summary(r)
	return p.err
}

// explainAll returns the command that explains findings: to copy, if they are about one
// subject.
func explainAll(findings []finding.Finding) string {
	subject := findings[0].Subject
	for _, f := range findings {
		if f.Subject != subject {
			subject = ""
		}
	}
	if command := ExplainCommand(subject); subject != "" && command != "" {
		return command
	}
	return "stackpolicy explain UNIT"
}

// maxCommand bounds a command to copy. It is longer than any with names that systemd allows
// and that can be read.
const maxCommand = 200

// plainWords matches words that a shell takes as they are.
var plainWords = lazyregexp.New(`^[A-Za-z0-9_.:@+, -]+$`)

// ExplainCommand returns the command that explains the findings of a subject, or one of them,
// to copy; "" if a shell could read a name otherwise.
func ExplainCommand(subject string, invariant ...string) string {
	command := strings.Join(append([]string{"stackpolicy explain", subject}, invariant...), " ")
	if len(command) > maxCommand || !plainWords.Get().MatchString(command) {
		return ""
	}
	return command
}

// age says of facts that are not about now when they were collected.
func (p *printer) age(r *audit.Report) {
	at := r.CollectedAt.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case p.o.Now.IsZero() || audit.IsAboutNow(r.CollectedAt, p.o.Now):
	case r.CollectedAt.After(p.o.Now):
		p.paragraph(0, "", "The facts are of "+at+", in the future: a clock is wrong.")
	default:
		p.paragraph(0, "", "The facts are of "+at+", and not of now.")
	}
}

// split separates findings from invariants that are undecided because facts are
// missing. It leaves out allows.
func split(decisions []finding.Finding) (findings, unseen []finding.Finding) {
	for _, d := range decisions {
		switch {
		case d.IsAllowed():
		case d.IsGap():
			unseen = append(unseen, d)
		default:
			findings = append(findings, d)
		}
	}
	return findings, unseen
}

// findings writes one block for each subject. The worst subject comes first, and
// in each block the worst finding.
func (p *printer) findings(findings []finding.Finding) {
	worst := map[string]int{}
	for _, d := range findings {
		if w, ok := worst[d.Subject]; !ok || verdictOf(d).rank < w {
			worst[d.Subject] = verdictOf(d).rank
		}
	}
	slices.SortStableFunc(findings, func(a, b finding.Finding) int {
		return cmp.Or(
			cmp.Compare(worst[a.Subject], worst[b.Subject]),
			cmp.Compare(subjectOrder(a.Subject), subjectOrder(b.Subject)),
			cmp.Compare(verdictOf(a).rank, verdictOf(b).rank),
		)
	})
	for i, d := range findings {
		if i == 0 || d.Subject != findings[i-1].Subject {
			p.heading(d.Subject)
		}
		p.finding(d)
	}
	if len(findings) > 0 {
		p.line("")
	}
}

// subjectOrder puts the host before units.
func subjectOrder(subject string) string {
	if subject == finding.Host {
		return ""
	}
	return subject
}

func (p *printer) finding(d finding.Finding) {
	v := verdictOf(d)
	note := ""
	switch d.Outcome {
	case finding.HealFailed, finding.Refused:
		note = " (" + strings.ReplaceAll(string(d.Outcome), "-", " ") + ")"
	}
	p.paragraph(2, p.verdict(v), d.Invariant+note)
	p.paragraph(4, "", d.Message)
	p.waiver(4, d)
	if after := d.AfterWhat(); after != "" {
		p.paragraph(4, "", "This appeared after "+after+".")
	}
	if next := p.next(d); next != "" {
		p.paragraph(4, p.paint("next:", pretty.FgCyan)+" ", next)
	}
}

// waiver writes what the settings changed of a finding, and who waives it, why, and until
// when.
func (p *printer) waiver(indent int, d finding.Finding) {
	if d.Settings != "" {
		p.paragraph(indent, "by the settings ", d.Settings)
	}
	if w := d.Waiver; w != nil {
		p.paragraph(indent, "waived ", fmt.Sprintf("until %s by %s: %s", w.Until.UTC().Format(time.RFC3339), w.Owner, w.Reason))
	}
}

// holds lists the units under planned maintenance.
func (p *printer) holds(holds []facts.Hold) {
	if len(holds) == 0 {
		return
	}
	p.heading("held")
	for _, h := range holds {
		p.paragraph(2, "", fmt.Sprintf("%s until %s by %s: %s", h.Unit, h.Until.UTC().Format(time.RFC3339), h.Owner, h.Reason))
	}
	p.line("")
}

// verdict returns the word before an invariant, padded.
func (p *printer) verdict(v verdict) string {
	return p.paint(fmt.Sprintf("%-8s", v.word), v.color, pretty.Bold) + " "
}

// next returns the first thing to do about a finding; "" if there is nothing.
func (p *printer) next(d finding.Finding) string {
	switch {
	case d.Outcome == finding.Healed || d.Waiver != nil:
		return ""
	case d.Outcome == finding.Planned:
		return "`stackpolicy eval --enforce` heals it (" + string(d.Action) + ")"
	case d.Outcome == finding.Refused: // the runbook's step would be the very action that is held back
		return "The " + string(d.Action) + " was refused (see below). Remove the cause, then audit again."
	case d.IsUnknown():
		return "Repair the rule, test it with `stackpolicy policy test`, and audit again."
	case p.o.Steps == nil:
		return ""
	}
	if steps := p.o.Steps(d); len(steps) > 0 {
		return steps[0]
	}
	return ""
}

// verdict is the word that an operator looks for, and its rank: 0 is the worst.
type verdict struct {
	word     string
	color    pretty.Color
	rank     int
	one, all string // as the summary counts it
}

// verdicts, worst first.
var (
	page    = verdict{"PAGE", pretty.FgRed, 0, "page", "pages"}
	unknown = verdict{"UNKNOWN", pretty.FgMagenta, 1, "undecided", "undecided"}
	ticket  = verdict{"TICKET", pretty.FgYellow, 2, "ticket", "tickets"}
	heal    = verdict{"HEAL", pretty.FgYellow, 3, "to heal", "to heal"}
	healed  = verdict{"HEALED", pretty.FgGreen, 4, "healed", "healed"}
	waived  = verdict{"WAIVED", pretty.FgCyan, 5, "waived", "waived"}
	allow   = verdict{"ALLOW", pretty.FgGreen, 6, "", ""}
)

func verdictOf(f finding.Finding) verdict {
	switch {
	case f.IsAllowed():
		return allow
	case f.Waiver != nil:
		return waived
	case f.Outcome == finding.Healed:
		return healed
	case f.Effect == finding.Heal && f.Outcome != finding.HealFailed:
		return heal
	}
	switch f.Urgency() {
	case finding.Page:
		return page
	case finding.Unknown:
		return unknown
	}
	return ticket
}

// summary writes the last line: the status, and how many checks hold or do not.
func (p *printer) summary(r *audit.Report) {
	units, counts := map[string]bool{}, map[string]int{}
	for _, d := range r.Decisions {
		counts[verdictOf(d).word]++
		if d.Subject != finding.Host {
			units[d.Subject] = true
		}
	}
	parts := strings.Fields(fmt.Sprintf("%d of %d checks on %s hold", counts[allow.word], len(r.Decisions), text.Count(len(units), "unit", "units")))
	for _, v := range []verdict{page, unknown, ticket, heal, healed, waived} {
		switch n := counts[v.word]; n {
		case 0:
		case 1:
			parts = append(parts, "· 1 "+v.one)
		default:
			parts = append(parts, fmt.Sprintf("· %d %s", n, v.all))
		}
	}
	label, color := status(r.ExitCode)
	p.block(0, p.paint(label, color, pretty.Bold)+"  ", text.Pack(parts, p.o.Width-len(label)-2))
}

func status(code int) (string, pretty.Color) {
	level := finding.LevelOfExit(code)
	color := map[finding.Level]pretty.Color{
		finding.LevelOK: pretty.FgGreen, finding.LevelWarning: pretty.FgYellow,
		finding.LevelUnknown: pretty.FgMagenta, finding.LevelCritical: pretty.FgRed,
	}[level]
	return level.String(), color
}
