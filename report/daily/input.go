// Package daily writes what a [timeline.Timeline] knows: the daily report as HTML
// and as text, and the texts of the commands status and history. Nothing is
// audited here.
//
// [Build] turns what was read into a [Model], which holds only clean and short
// texts, so that no writer has to know where they came from. The writers are
// listed in [Formats], [StatusFormats] and [LogFormats].
package daily

import (
	"stackpolicy/finding"
	"stackpolicy/report/timeline"
)

// Input is what a report is made from. The zone of Now is the report's.
type Input struct {
	timeline.Record
	Steps   func(finding.Finding) []string // what to do about a finding; may be nil
	Version string                         // of the program that writes the report; may be ""
	Name    string                         // what the report is about, where machines may have one name; "" is the host's
}
