// Package fleet writes what the hub of a fleet knows of its sources: a table for a terminal,
// JSON, metrics, and a page. All texts of sources are data: nothing in them can move a cursor,
// hide text, or be markup.
//
// Start at [Formats] and [WriteHTML].
package fleet

import (
	"encoding/json"
	"fmt"
	"io"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/output"
	"stackpolicy/report"
)

// Input is a fleet, and how it is to be written. Times are written in the zone of the fleet's At.
type Input struct {
	overview.Fleet
	Width   int  // columns of the table
	Color   bool // only where a terminal reads it
	All     bool // the table also lists the sources that are good
	Version string
	// Steps gives what to do about a finding of a source, the first thing first. It may be nil.
	Steps func(overview.Source, finding.Finding) []string
}

// Formats lists every way to write the state of a fleet.
func Formats() []output.Format[Input] {
	return []output.Format[Input]{{Name: "text", Write: WriteText}, {Name: "json", Write: WriteJSON}, {Name: "openmetrics", Write: WriteOpenMetrics}}
}

// WriteJSON writes the fleet ([overview.Schema]) with one source on each line, for grep and diff.
func WriteJSON(w io.Writer, in Input) error {
	rows := in.Sources
	in.Sources = []overview.Row{}
	frame, err := json.Marshal(in.Fleet)
	if err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	const end = "]}" // of sources, which are the last
	out := append(frame[:len(frame)-len(end)], '\n')
	for i, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode JSON: %w", err)
		}
		if out = append(out, line...); i < len(rows)-1 {
			out = append(out, ',')
		}
		out = append(out, '\n')
	}
	if _, err := w.Write(report.EscapeJSON(append(out, "]}\n"...))); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
