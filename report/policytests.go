package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/decide/regotest"
	"stackpolicy/internal/text"
)

// PolicyTests writes the results of the Rego tests: always the failures, and if
// verbose each test and the lines that no test covers. Floor is the least coverage
// in percent.
func PolicyTests(w io.Writer, t regotest.Report, floor float64, verbose bool, o Options) error {
	p := newPrinter(w, o)
	counts := map[regotest.Status]int{}
	for _, r := range slices.Concat(t.Untested, t.Results) {
		counts[r.Status]++
		if r.Status != regotest.StatusPass || verbose {
			p.test(r)
		}
	}
	for _, c := range t.Coverage {
		if verbose && len(c.NotCovered) > 0 {
			p.paragraph(0, fmt.Sprintf("%5.1f%%  ", c.Percent), c.File+": no test covers lines "+ranges(c.NotCovered))
		}
	}
	failed := counts[regotest.StatusFail] + counts[regotest.StatusError]
	p.line("%d passed, %d failed, %d skipped", counts[regotest.StatusPass], failed, counts[regotest.StatusSkip])
	verdict := ""
	if t.Percent < floor {
		verdict = fmt.Sprintf(", below the floor of %.1f%%", floor)
	}
	p.line("coverage %.1f%%%s", t.Percent, verdict)
	return p.err
}

// test writes one test and, line by line, what went wrong.
func (p *printer) test(r regotest.Result) {
	color := pretty.FgRed
	switch r.Status {
	case regotest.StatusPass:
		color = pretty.FgGreen
	case regotest.StatusSkip:
		color = pretty.FgYellow
	}
	word := fmt.Sprintf("%-5s", strings.ToUpper(string(r.Status)))
	p.line("%s  %s:%d  %s", p.paint(word, color, pretty.Bold), text.Clean(r.File), r.Line, text.Clean(r.Name))
	for _, l := range text.CleanLines(r.Message) {
		p.line("       %s", l)
	}
}

// ranges writes sorted lines as "3, 7-9".
func ranges(lines []int) string {
	var parts []string
	for i := 0; i < len(lines); {
		last := i
		for last+1 < len(lines) && lines[last+1] == lines[last]+1 {
			last++
		}
		if part := fmt.Sprint(lines[i]); last > i {
			parts = append(parts, fmt.Sprintf("%s-%d", part, lines[last]))
		} else {
			parts = append(parts, part)
		}
		i = last + 1
	}
	return strings.Join(parts, ", ")
}
