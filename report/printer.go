package report

import (
	"fmt"
	"io"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/internal/text"
)

// minWidth keeps text readable on a terminal that reports a tiny width.
const minWidth = 40

// printer writes paragraphs and keeps the first error.
type printer struct {
	w   io.Writer
	o   Options
	err error
}

func newPrinter(w io.Writer, o Options) *printer {
	o.Width = max(o.Width, minWidth)
	return &printer{w: w, o: o}
}

// line writes a line unchanged: texts from outside must be clean.
func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// paragraph cleans words and writes them after a label, wrapped below each other.
// A label that leaves them no room gets a separate line.
func (p *printer) paragraph(indent int, label, words string, colors ...pretty.Color) {
	margin := indent + text.Width(label)
	if margin > p.o.Width/2 {
		p.line("%s%s", strings.Repeat(" ", indent), strings.TrimRight(label, " "))
		indent, label, margin = indent+2, "", indent+2
	}
	p.block(indent, label, text.Wrap(text.Clean(words), p.o.Width-margin), colors...)
}

// block writes clean lines after a label, one under the other.
func (p *printer) block(indent int, label string, lines []string, colors ...pretty.Color) {
	for _, l := range lines {
		p.line("%s", strings.TrimRight(strings.Repeat(" ", indent)+label+p.paint(l, colors...), " "))
		indent, label = indent+text.Width(label), ""
	}
}

func (p *printer) paint(s string, colors ...pretty.Color) string {
	if !p.o.Color || len(colors) == 0 {
		return s
	}
	return pretty.Colors(colors).Sprint(s)
}

// heading writes what the lines below it are about.
func (p *printer) heading(s string) { p.paragraph(0, "", s, pretty.Bold) }
