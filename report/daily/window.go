package daily

import (
	"fmt"
	"slices"
	"time"

	"stackpolicy/internal/text"
	"stackpolicy/report/timeline"
)

// Window is the time that a report is about.
type Window struct {
	From, To, Length, Zone string
	Axis                   []string // times at equal distances, both ends included
}

// windowOf names the times from since to now at five equal distances.
func windowOf(c clock, since time.Time) Window {
	length := max(c.now.Sub(since), 0)
	w := Window{From: c.at(since), To: c.at(c.now), Length: text.Elapsed(length), Zone: c.zone()}
	for i := range 5 {
		w.Axis = append(w.Axis, c.tick(since.Add(length*time.Duration(i)/4), length))
	}
	return w
}

// tick writes a time on the axis: the time of day within two days, else the day.
func (c clock) tick(t time.Time, length time.Duration) string {
	if t = t.In(c.now.Location()); length <= 48*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2 Jan")
}

// notes say what a reader could otherwise take for a fact.
func notes(r timeline.Record) []string {
	notes := slices.Clone(r.Cut)
	missing := 0
	for _, s := range r.Spans {
		if _, isKept := r.Snapshots[s.DocumentDigest]; !isKept {
			missing++
		}
	}
	if missing > 0 {
		notes = append(notes, fmt.Sprintf("The snapshots of %s of %d are no longer kept, or were not read. For these times a unit that came later is shown as if it had been observed, and false successes are not counted.",
			text.Count(missing, "run of audits", "runs of audits"), len(r.Spans)))
	}
	if r.LastAudit != nil && r.Document == nil {
		notes = append(notes, "The last audit's snapshot is no longer kept, so no layers are shown.")
	}
	return notes
}
