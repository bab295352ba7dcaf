package drill

import (
	"fmt"
	"io"
	"strings"

	"stackpolicy/internal/text"
)

// maxNamed bounds how many of a row's findings a text shows.
const maxNamed = 6

// Write writes a result as text of at most width columns: a verdict, a table of all rows, and
// then what is not as it should be.
func Write(w io.Writer, r Result, width int) error {
	p := &printer{width: max(width, 40)}
	p.verdict(r)
	p.table(r.Rows)
	for _, row := range r.Rows {
		p.trouble(row)
	}
	p.list("Changed outside of the sandbox during the drill (by the drill, or by something else on this machine)", r.Outside)
	p.list("No rule covers", r.Uncovered)
	if r.Complete {
		p.list("No drill exercised these invariants", r.Unexercised)
	}
	p.list("About your rules and settings", r.Notes)
	var skipped []string
	for _, s := range r.NotDrilled {
		skipped = append(skipped, s.Name+": "+s.Reason)
	}
	if r.Complete {
		p.list("Not drilled", skipped)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

type printer struct {
	strings.Builder
	width int
}

// paragraph writes wrapped text, with its first line after lead and the others indented as much.
func (p *printer) paragraph(lead, words string) {
	indent := strings.Repeat(" ", len(lead))
	for i, line := range text.Wrap(text.Clean(words), p.width-len(lead)) {
		if i > 0 {
			lead = indent
		}
		fmt.Fprintln(p, strings.TrimRight(lead+line, " "))
	}
}

func (p *printer) verdict(r Result) {
	wrong := 0
	for _, row := range r.Rows {
		if row.isWrong() {
			wrong++
		}
	}
	rules := r.Rules
	if rules == "" {
		rules = "the built-in rules"
	}
	with := fmt.Sprintf("%s with %s, systemd %s, in %d s", text.Count(len(r.Rows), "drill", "drills"), rules, r.Systemd, (r.TookMS+500)/1000)
	switch {
	case r.ExitCode == StatusGood:
		p.paragraph("OK  ", with+": everything is as it should be")
	case r.ExitCode == StatusWrong:
		p.paragraph("WRONG  ", fmt.Sprintf("%s: %d not as it should be", with, wrong))
	default:
		p.paragraph("HARM  ", fmt.Sprintf("%s: %d not as it should be, %s outside of the sandbox", with, wrong, text.Count(len(r.Outside), "change", "changes")))
	}
}

func (r Row) isWrong() bool {
	return r.Verdict == VerdictMissed || len(r.Accused) > 0 || r.Heal == NotHealed || r.Heal == MadeWorse
}

func (p *printer) table(rows []Row) {
	fmt.Fprintf(p, "\n%-24s %-16s %s\n", "DRILL", "AUDIT", "ENFORCING AUDIT")
	for _, row := range rows {
		fmt.Fprintf(p, "%-24s %-16s %s\n", row.Name, row.judged(), strings.ReplaceAll(string(row.Heal), "-", " "))
	}
}

// judged is the verdict in words.
func (r Row) judged() string {
	switch {
	case len(r.Accused) > 0 && r.Verdict != VerdictAccused:
		return string(r.Verdict) + ", accused"
	case r.Verdict == VerdictAccused:
		return "falsely accused"
	}
	return string(r.Verdict)
}

// trouble says what a row did that is not as it should be, and where the rules decide
// otherwise than the built-in ones.
func (p *printer) trouble(row Row) {
	if !row.isWrong() && row.Note == "" {
		return
	}
	fmt.Fprintln(p)
	p.paragraph("", row.Name+": "+row.Does)
	if row.Verdict == VerdictMissed {
		p.paragraph("  missed: ", "the built-in rules find "+strings.Join(row.Expected, ", "))
	}
	for i, f := range row.Accused {
		if i == maxNamed {
			p.paragraph("  ", fmt.Sprintf("and %d more", len(row.Accused)-i))
			break
		}
		p.paragraph("  falsely accused: ", f.Subject+" "+f.Invariant+": "+f.Message)
	}
	for i, change := range row.Worse {
		if i == maxNamed {
			p.paragraph("  ", fmt.Sprintf("and %d more", len(row.Worse)-i))
			break
		}
		p.paragraph("  made worse: ", change)
	}
	if row.Note != "" {
		p.paragraph("  ", row.Note)
	}
}

func (p *printer) list(title string, entries []string) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintln(p)
	p.paragraph("", title+":")
	for _, e := range entries {
		p.paragraph("  ", e)
	}
}
