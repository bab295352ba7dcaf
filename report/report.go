// Package report writes a report of an audit for whoever reads it. Writers
// take strings from outside (unit names, paths, labels, messages) for data:
// nothing in them can move a cursor or hide text.
//
// Start at [Formats].
package report

import (
	"fmt"
	"io"
	"strings"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// Options say how a report is to be written.
type Options struct {
	Width int  // columns of the table
	Color bool // only where a terminal reads it
	// Steps gives what to do about a decision, the first thing first.
	Steps func(finding.Finding) []string
	// Around is what metrics need beyond the report.
	Around Around
}

// Format is one way to write a report.
type Format struct {
	Name  string
	About string
	Write func(io.Writer, *audit.Report, Options) error
}

// Formats lists every way there is.
func Formats() []Format {
	return []Format{
		{"table", "for a person: findings first, what to do next, then what holds", writeTable},
		{"json", "the whole report, " + audit.ReportSchema, writeJSON},
		{"junit", "for CI: a suite for each subject, a test case for each invariant", writeJUnit},
		{"openmetrics", "for Prometheus, and the textfile collector of its node_exporter", writeOpenMetrics},
	}
}

// FormatNamed finds a format; an unknown name is an error that lists the known.
func FormatNamed(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown output format %q; there are: %s", name, strings.Join(names, ", "))
}
