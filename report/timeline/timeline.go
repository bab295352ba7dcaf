// Package timeline turns what audits recorded into states over time: when each
// unit was in order, when it was not, and when no audit ran. It also measures
// how long alerts took and how often systemd called a stack active that was not
// up. It writes no text; package daily does.
//
// Start at [Read], which reads a [Record], and at [New].
package timeline

import (
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
)

// Stale is how old the last audit may be and still say something about now. It is
// also the longest pause over which a verdict lasts until the next audit. It is
// two rounds of the timer, which come ten to twelve minutes apart.
const Stale = 2 * 12 * time.Minute

// Timeline knows the states of every subject from Record.Since to Record.Now.
type Timeline struct {
	record       Record
	observations []observation
	findings     map[string][]history.Occurrence // by subject
	undecided    []history.Occurrence            // on the host, for want of facts
	units        map[string]Seen                 // managed units of the last audit
}

// New makes a timeline from what was recorded. It depends on the record alone.
func New(r Record) *Timeline {
	t := &Timeline{record: r, observations: observations(r.Spans, r.Now), findings: map[string][]history.Occurrence{}}
	for _, s := range r.Occurrences {
		t.findings[s.Subject] = append(t.findings[s.Subject], s)
		if s.Subject == finding.Host && Of(s.Finding) == Unknown {
			t.undecided = append(t.undecided, s)
		}
	}
	if r.Document != nil {
		t.units = SnapshotOf(r.Document).Units
	}
	return t
}

// Subjects lists the host and then, sorted, each unit that is managed now or has
// a finding. Without any audit the list is empty.
func (t *Timeline) Subjects() []string {
	if t.record.LastAudit == nil && len(t.record.Spans) == 0 {
		return nil
	}
	var list []string
	for name := range t.units {
		list = append(list, name)
	}
	for name := range t.findings {
		list = append(list, name)
	}
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(name string) bool { return name == finding.Host })
	return append([]string{finding.Host}, list...)
}

// Units is how many units the last audit managed.
func (t *Timeline) Units() int { return len(t.units) }

// Findings lists what was found on a subject.
func (t *Timeline) Findings(subject string) []history.Occurrence { return t.findings[subject] }

// Spells lists the states of a subject, one after the other without a hole.
func (t *Timeline) Spells(subject string) []Spell {
	var marks []Spell
	for _, o := range t.observations {
		if !t.wasObserved(subject, o) {
			continue
		}
		if last := len(marks) - 1; last >= 0 && marks[last].To.Equal(o.from) {
			marks[last].To = o.to
			continue
		}
		marks = append(marks, Spell{o.from, o.to, InOrder})
	}
	marks = append(append(marks, t.failed()...), t.marks(t.findings[subject])...)
	for _, s := range t.undecided {
		if subject != finding.Host && t.concerns(s.Invariant, subject) {
			marks = append(marks, t.marks([]history.Occurrence{s})...)
		}
	}
	return sweep(t.record.Since, t.record.Now, marks)
}

// Overall lists the states of all subjects taken together: the worst counts.
func (t *Timeline) Overall() []Spell {
	var marks []Spell
	for _, o := range t.observations {
		marks = append(marks, Spell{o.from, o.to, InOrder})
	}
	marks = append(marks, t.failed()...)
	return sweep(t.record.Since, t.record.Now, append(marks, t.marks(t.record.Occurrences)...))
}

// failed returns the spells of audits that could not begin: what they would have found is
// not known.
func (t *Timeline) failed() (marks []Spell) {
	for _, o := range t.observations {
		if o.failed {
			marks = append(marks, Spell{o.from, o.to, Unknown})
		}
	}
	return marks
}

// marks returns the spells of the findings that count. A finding that does not
// count marks nothing: only an audit marks a time as in order.
func (t *Timeline) marks(list []history.Occurrence) []Spell {
	var marks []Spell
	for _, s := range list {
		if state := Of(s.Finding); state != InOrder {
			from, to := t.record.Lasted(s)
			marks = append(marks, Spell{from, to, state})
		}
	}
	return marks
}

// wasObserved reports whether the audit's snapshot has the subject. Where that
// is not known, it may have had it.
func (t *Timeline) wasObserved(subject string, o observation) bool {
	snapshot, isKept := t.record.Snapshots[o.document]
	if subject == finding.Host || !isKept || !snapshot.Whole {
		return true
	}
	_, isManaged := snapshot.Units[subject]
	return isManaged || t.hasFinding(subject, o)
}

// hasFinding reports whether something was open on a subject meanwhile, so that
// it must have been observed.
func (t *Timeline) hasFinding(subject string, o observation) bool {
	return slices.ContainsFunc(t.findings[subject], func(s history.Occurrence) bool {
		from, to := t.record.Lasted(s)
		return from.Before(o.to) && to.After(o.from)
	})
}

// concerns reports whether an invariant that was undecided on the host is asked
// of this unit. An invariant of unknown class is.
func (t *Timeline) concerns(invariant, unit string) bool {
	var class finding.Class
	if t.record.Class != nil {
		class = t.record.Class(invariant)
	}
	switch class {
	case finding.ClassHost:
		return false
	case finding.ClassStack:
		return t.units[unit].Stack
	}
	return true
}
