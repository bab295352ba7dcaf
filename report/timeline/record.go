package timeline

import (
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/times"
)

// Record is what was recorded of a window of time.
type Record struct {
	Now         time.Time
	Since       time.Time
	LastAudit   *history.AuditSpan   // nil: there was none, ever
	Spans       []history.AuditSpan  // that end after Since, newest first
	Occurrences []history.Occurrence // that are open, or were resolved after Since
	Actions     []history.Action     // that began after Since, newest first
	Document    *facts.Document      // of the last audit; nil when it is no longer kept
	Snapshots   map[string]Snapshot  // of the spans' documents that are kept, by digest
	Cut         []string             // what was too much to read, in words

	// FirstSent is when each finding was first delivered to a sink, by its ID;
	// nil if that is unknown.
	FirstSent map[int64]time.Time
	// Class returns the class of an invariant; nil if that is unknown.
	Class func(invariant string) finding.Class
}

// least is how long a finding counts, and a verdict lasts, that only one audit saw.
const least = time.Minute

// Lasted returns when a finding appeared, and until when it counts. What only one
// audit saw counts for a minute.
func (r Record) Lasted(s history.Occurrence) (from, to time.Time) {
	if s.ResolvedAt == nil {
		return s.Since, r.Now
	}
	return s.Since, times.Later(*s.ResolvedAt, s.Since.Add(least))
}

// Snapshot is the part of a recorded document that matters here.
type Snapshot struct {
	Whole bool            // no collector failed: a unit that is not in Units was not managed
	Units map[string]Seen // managed units, by name
}

// Seen is one managed unit in a snapshot.
type Seen struct {
	Stack  bool
	Active bool // systemd said so
	Looked bool // its state and its containers were collected
}

// SnapshotOf returns the snapshot of a document.
func SnapshotOf(doc *facts.Document) Snapshot {
	out := Snapshot{Whole: true, Units: map[string]Seen{}}
	for _, c := range doc.Collectors {
		out.Whole = out.Whole && c.OK
	}
	for _, u := range doc.Units {
		if !u.IsManaged() {
			continue
		}
		out.Units[u.Name] = Seen{
			Stack:  u.Stack != "",
			Active: u.Loaded != nil && u.Loaded.ActiveState == "active",
			Looked: u.Loaded != nil && doc.Collectors["podman"].OK,
		}
	}
	return out
}
