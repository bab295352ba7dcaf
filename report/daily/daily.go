// Package daily tells what audits saw and did over a while: the daily report, as
// a page to look at or as text, and the texts of the commands status and
// history. All is made from what the history holds; nothing is audited.
//
// Reading ([Read]) stands apart from judging ([Build]), which stands apart from
// writing ([WriteHTML], [WriteText]). A [Model] holds only clean and short
// texts, so that no writer has to think of where they came from.
package daily

import (
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Stale is the age from which the last audit tells nothing of now, and the
// longest pause in which an audit's verdict is taken to last until the next: two
// rounds of the shipped timer, which come ten to twelve minutes apart.
const Stale = 2 * 12 * time.Minute

// Input is what a page is made from. The zone of Now is the page's.
type Input struct {
	Now       time.Time
	Since     time.Time
	LastAudit *history.AuditSpan  // nil: there was none, ever
	Spans     []history.AuditSpan // that reach beyond Since, newest first
	Standings []history.Standing  // that stand, or were resolved since
	Actions   []history.Action    // begun since, newest first
	Document  *facts.Document     // of the last audit; nil when it is no longer kept
	Snapshots map[string]Snapshot // of the spans' documents that are kept, by digest
	Cut       []string            // what was too much to be read, in words

	// FirstSent is when each finding was first delivered to a sink, by its ID;
	// nil where that is not known.
	FirstSent map[int64]time.Time
	// Steps gives what to do about a finding, and Class what an invariant is
	// asked of; either may be nil.
	Steps func(finding.Finding) []string
	Class func(invariant string) finding.Class
}

// Snapshot is what counts here of a document of the past.
type Snapshot struct {
	Whole bool            // every collector could look: who is not in Units was not managed
	Units map[string]Seen // managed units, by name
}

// Seen is one managed unit in a snapshot.
type Seen struct {
	Stack  bool
	Active bool // systemd said so
	Looked bool // its state and its containers could be looked at
}
