package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/enforce"
)

// minWidth keeps the table readable on a terminal that claims to be tiny.
const minWidth = 40

// writeTable writes what an operator looks at: gaps and findings by unit, each
// with what to do next; what was or would be done; one line for all that holds.
func writeTable(w io.Writer, r *audit.Report, o Options) error {
	p := printer{w: w, o: o}
	p.o.Width = max(o.Width, minWidth)
	p.gaps(r.Gaps)
	findings := slices.DeleteFunc(slices.Clone(r.Decisions), func(d decide.Decision) bool { return d.Effect == "allow" })
	p.findings(findings)
	p.actions(r.Actions)
	p.holds(r)
	return p.err
}

// printer writes paragraphs and keeps the first error.
type printer struct {
	w   io.Writer
	o   Options
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// paragraph writes a label and text that goes on under itself.
func (p *printer) paragraph(indent int, label, words string) {
	margin := strings.Repeat(" ", indent+text.StringWidthWithoutEscSequences(label))
	room := max(p.o.Width-len(margin), minWidth/2)
	lines := strings.Split(text.WrapSoft(Clean(words), room), "\n")
	for i, l := range lines {
		l = strings.TrimRight(l, " ")
		if i == 0 {
			p.line("%s%s%s", strings.Repeat(" ", indent), label, l)
		} else {
			p.line("%s%s", margin, l)
		}
	}
}

func (p *printer) paint(s string, colors ...text.Color) string {
	if !p.o.Color {
		return s
	}
	return text.Colors(colors).Sprint(s)
}

func (p *printer) gaps(gaps []audit.Gap) {
	for _, g := range gaps {
		p.paragraph(0, p.paint("UNKNOWN", text.FgMagenta, text.Bold)+"  ", "could not look ("+g.Collector+"): "+g.Error)
	}
	if len(gaps) > 0 {
		p.line("")
	}
}

// findings writes one block a subject. What could not be decided for want of
// the same fact is one line, not one for each invariant.
func (p *printer) findings(findings []decide.Decision) {
	undecided := map[string][]string{}
	var order []string
	subject := ""
	for _, d := range findings {
		if d.Severity == "unknown" && d.Evidence["case"] == "gap" {
			if undecided[d.Message] == nil {
				order = append(order, d.Message)
			}
			undecided[d.Message] = append(undecided[d.Message], d.Invariant)
			continue
		}
		if d.Subject != subject {
			subject = d.Subject
			p.line("%s", p.paint(Clean(subject), text.Bold))
		}
		p.finding(d)
	}
	for _, message := range order {
		p.line("%s", p.paint("not decided", text.Bold))
		p.paragraph(2, "", message+" ("+strings.Join(undecided[message], ", ")+")")
	}
	if len(findings) > 0 {
		p.line("")
	}
}

func (p *printer) finding(d decide.Decision) {
	word, color := verdict(d)
	p.line("  %s %s", p.paint(fmt.Sprintf("%-8s", word), color, text.Bold), Clean(d.Invariant))
	p.paragraph(4, "", d.Message)
	if after, ok := d.Evidence["appeared_after"].(string); ok {
		p.paragraph(4, "", "This came up after "+after+".")
	}
	if d.Outcome == audit.OutcomeHealed || p.o.Steps == nil {
		return
	}
	if steps := p.o.Steps(d); len(steps) > 0 {
		p.paragraph(4, p.paint("next:", text.FgCyan)+" ", steps[0])
	}
}

// verdict is the word an operator scans for.
func verdict(d decide.Decision) (string, text.Color) {
	switch {
	case d.Outcome == audit.OutcomeHealed:
		return "HEALED", text.FgGreen
	case d.Outcome == audit.OutcomeHealFailed:
		return "PAGE", text.FgRed
	case d.Effect == "heal":
		return "HEAL", text.FgYellow
	case d.Severity == "page":
		return "PAGE", text.FgRed
	case d.Severity == "unknown":
		return "UNKNOWN", text.FgMagenta
	}
	return "TICKET", text.FgYellow
}

func (p *printer) actions(actions []enforce.Action) {
	if len(actions) == 0 {
		return
	}
	heading := "actions"
	if slices.ContainsFunc(actions, func(a enforce.Action) bool { return a.Status == enforce.Planned }) {
		heading = "actions that --enforce would run"
	}
	p.line("%s", p.paint(heading, text.Bold))
	for _, a := range actions {
		p.action(a)
	}
	p.line("")
}

func (p *printer) action(a enforce.Action) {
	what := a.Action
	if a.Subject != enforce.Host {
		what += " " + a.Subject
	}
	if a.Status != enforce.Planned {
		what += ": " + a.Status
	}
	if a.Message != "" {
		what += ", " + a.Message
	}
	p.paragraph(2, "", what)
	p.paragraph(4, "for ", strings.Join(reasons(a.Reasons), "; "))
}

// reasons names the units by invariant: "loaded_is_current of a.service, …".
func reasons(list []enforce.Reason) []string {
	of := map[string][]string{}
	var order []string
	for _, r := range list {
		if of[r.Invariant] == nil {
			order = append(order, r.Invariant)
		}
		of[r.Invariant] = append(of[r.Invariant], r.Subject)
	}
	out := []string{}
	for _, i := range order {
		out = append(out, i+" of "+strings.Join(of[i], ", "))
	}
	return out
}

func (p *printer) holds(r *audit.Report) {
	units, allowed := map[string]bool{}, 0
	counts := map[string]int{}
	var order []string
	for _, d := range r.Decisions {
		if d.Subject != enforce.Host {
			units[d.Subject] = true
		}
		if d.Effect == "allow" {
			allowed++
			continue
		}
		word, _ := verdict(d)
		if counts[word]++; counts[word] == 1 {
			order = append(order, word)
		}
	}
	slices.SortFunc(order, func(a, b string) int { return rank(a) - rank(b) })
	summary := []string{fmt.Sprintf("%d of %d checks on %s hold", allowed, len(r.Decisions), count(len(units), "unit"))}
	for _, word := range order {
		summary = append(summary, fmt.Sprintf("%d %s", counts[word], summaryWord(word, counts[word])))
	}
	label, color := status(r.ExitCode)
	p.paragraph(0, p.paint(label, color, text.Bold)+"  ", strings.Join(summary, " · "))
}

func rank(word string) int {
	return slices.Index([]string{"PAGE", "UNKNOWN", "TICKET", "HEAL", "HEALED"}, word)
}

func summaryWord(word string, n int) string {
	switch word {
	case "PAGE", "TICKET":
		if n > 1 {
			return strings.ToLower(word) + "s"
		}
		return strings.ToLower(word)
	case "HEAL":
		return "to heal"
	case "UNKNOWN":
		return "undecided"
	}
	return "healed"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func status(code int) (string, text.Color) {
	switch code {
	case audit.ExitOK:
		return "OK", text.FgGreen
	case audit.ExitWarning:
		return "WARNING", text.FgYellow
	case audit.ExitCritical:
		return "CRITICAL", text.FgRed
	}
	return "UNKNOWN", text.FgMagenta
}
