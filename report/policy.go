package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/decide"
)

// Invariants writes one invariant a paragraph: id, what it is asked of and its
// severity, what it may do, and the good state.
func Invariants(w io.Writer, list []decide.Invariant, o Options) error {
	p := printer{w: w, o: o}
	p.o.Width = max(o.Width, minWidth)
	for _, i := range list {
		actions := ""
		if len(i.Actions) > 0 {
			actions = ", may " + strings.Join(i.Actions, ", ")
		}
		p.line("%s  (%s, %s%s)", p.paint(Clean(i.ID), text.Bold), i.Class, i.Severity, actions)
		p.paragraph(2, "", i.Title)
	}
	return p.err
}

// PolicyTests writes how the Rego tests went: failures always, each test and
// the lines without a test where verbose.
func PolicyTests(w io.Writer, t decide.TestReport, floor float64, verbose bool) error {
	p := printer{w: w}
	failed, skipped := 0, 0
	for _, r := range t.Results {
		switch r.Status {
		case decide.StatusPass:
		case decide.StatusSkip:
			skipped++
		default:
			failed++
		}
		if r.Status != decide.StatusPass || verbose {
			p.line("%s  %s:%d  %s", strings.ToUpper(string(r.Status)), Clean(r.File), r.Line, Clean(r.Name))
		}
		if r.Message != "" {
			p.line("      %s", Clean(r.Message))
		}
	}
	for _, c := range t.Coverage {
		if verbose && len(c.NotCovered) > 0 {
			p.line("%5.1f%%  %s, not covered: %v", c.Percent, Clean(c.File), c.NotCovered)
		}
	}
	p.line("%d passed, %d failed, %d skipped", len(t.Results)-failed-skipped, failed, skipped)
	verdict := ""
	if t.Percent < floor {
		verdict = fmt.Sprintf(", below the floor of %.1f%%", floor)
	}
	p.line("coverage %.1f%%%s", t.Percent, verdict)
	return p.err
}
