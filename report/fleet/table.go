package fleet

import (
	"fmt"
	"io"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
	"stackpolicy/report/look"
)

// Columns of the table; the name takes what the others leave.
const (
	stateWidth = 16
	heardWidth = 15
	rulesWidth = 18
	minName    = 20
	minWidth   = 60
)

// printer writes lines and keeps the first error.
type printer struct {
	w     io.Writer
	width int
	color bool
	err   error
}

func (p *printer) line(s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(s, " "))
	}
}

// indented writes words below each other, after a label.
func (p *printer) indented(indent int, label, words string) {
	margin := strings.Repeat(" ", indent) + label
	for _, l := range text.Wrap(words, p.width-text.Width(margin)) {
		p.line(margin + l)
		margin = strings.Repeat(" ", text.Width(margin))
	}
}

func (p *printer) paint(s string, l finding.Level) string {
	if !p.color {
		return s
	}
	return [...]pretty.Color{pretty.FgGreen, pretty.FgYellow, pretty.FgMagenta, pretty.FgRed}[l].Sprint(s)
}

// WriteText writes a line for each source, the most urgent first, and below it why it is not
// good. Those that are good are only counted, unless all are asked for.
func WriteText(w io.Writer, in Input) error {
	p := &printer{w: w, width: max(in.Width, minWidth), color: in.Color}
	level := finding.LevelOfExit(in.ExitCode)
	p.indented(0, p.paint(level.String(), level)+": ", tally(in.Fleet))
	good := 0
	var listed []overview.Row
	for _, r := range in.Sources {
		if r.State == overview.Good && !in.All {
			good++
			continue
		}
		listed = append(listed, r)
	}
	if len(in.Sources) == 0 {
		p.line("enroll a host: stackfleet enroll HOST")
	}
	p.rows(listed, in)
	if good > 0 {
		p.line("")
		p.line(text.Count(good, "source that is good is", "sources that are good are") + " not listed: stackfleet status --all")
	}
	p.releases(in.Releases)
	for _, words := range offered(in.Fleet) {
		p.indented(0, "", words)
	}
	return p.err
}

func (p *printer) rows(rows []overview.Row, in Input) {
	if len(rows) == 0 {
		return
	}
	room := 0
	for _, r := range rows {
		room = max(room, text.Width(nameOf(r.Source.Source)))
	}
	room = max(min(room, p.width-stateWidth-heardWidth-rulesWidth-3), minName)
	p.line("")
	p.line(cells("STATE", "HOST AND USER", "HEARD", "RULES", room))
	for _, r := range rows {
		p.row(r, room, in)
	}
}

// cells writes a row; a name that is too long for its column takes the rest of the line.
func cells(state, name, heard, rules string, room int) string {
	pad := func(s string, n int) string { return s + strings.Repeat(" ", max(n-text.Width(s), 0)) }
	line := pad(state, stateWidth) + " "
	if text.Width(name) > room {
		line += name + "\n" + strings.Repeat(" ", stateWidth+1)
		name = ""
	}
	return line + pad(name, room) + " " + pad(heard, heardWidth) + " " + rules
}

func (p *printer) row(r overview.Row, room int, in Input) {
	line := cells(string(r.State), nameOf(r.Source.Source), heard(r, in.At), rules(r), room)
	p.line(strings.Replace(line, string(r.State), p.paint(string(r.State), r.Level), 1))
	p.worst(r)
	for _, c := range r.Causes {
		if !saidElsewhere(c.State, r) {
			p.indented(2, "", look.Sentence(c.Why))
		}
	}
	if words := aboutRules(r); words != "" {
		p.indented(2, "rules: ", words)
	}
	if r.Refused > 0 {
		p.indented(2, "", refused(r))
	}
}

// worst writes the worst finding of a source.
func (p *printer) worst(r overview.Row) {
	word, sentence := worst(r)
	if word == "" {
		return
	}
	if r.State == overview.Silent {
		word = "it said last: " + word
	}
	p.indented(2, word+" ", sentence)
}

// saidElsewhere reports whether the line of a source, or its worst finding, says why it is in a state.
func saidElsewhere(s overview.State, r overview.Row) bool {
	switch s {
	case overview.Page, overview.Ticket:
		word, _ := worst(r)
		return word != ""
	case overview.Good, overview.Silent, overview.Never, overview.Revoked:
		return true
	}
	return false
}

// releases says which releases are on how many sources, if there are any.
func (p *printer) releases(list []overview.Release) {
	if len(list) == 0 || len(list) == 1 && list[0].Channel == "" {
		return
	}
	p.line("")
	for _, r := range list {
		of := "no release"
		if r.Channel != "" {
			of = fmt.Sprintf("%s %d, %s", short(r.Channel), r.Version, short(r.Stage))
		}
		p.line(fmt.Sprintf("%-30s %s", of, text.Count(r.Sources, "source", "sources")))
	}
}
