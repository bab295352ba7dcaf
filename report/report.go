// Package report writes the report of an audit. Writers treat strings from outside (unit
// names, paths, labels, messages) as data: nothing in them can move a cursor or hide
// text.
//
// Start at [Formats].
package report

import (
	"io"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
	"stackpolicy/internal/output"
)

// Options say how a report is to be written.
type Options struct {
	Width int  // columns of the table
	Color bool // only where a terminal reads it
	// Now is when the report is written. If it is zero, nothing is said of the age
	// of the facts.
	Now time.Time
	// Steps gives what to do about a decision, the first thing first.
	Steps func(finding.Finding) []string
	// Around is what metrics need beyond the report.
	Around Around
}

// Audited is an audit's report, and how it is to be written.
type Audited struct {
	Report *audit.Report
	Options
}

// Formats lists every way to write a report: for a person, the whole report
// ([audit.ReportSchema]), for CI, and for Prometheus.
func Formats() []output.Format[Audited] {
	return []output.Format[Audited]{
		format("text", writeTable),
		format("json", writeJSON),
		format("junit", writeJUnit),
		format("openmetrics", WriteOpenMetrics),
	}
}

func format(name string, write func(io.Writer, *audit.Report, Options) error) output.Format[Audited] {
	return output.Format[Audited]{Name: name, Write: func(w io.Writer, a Audited) error { return write(w, a.Report, a.Options) }}
}
