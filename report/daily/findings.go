package daily

import (
	"cmp"
	"fmt"
	"slices"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report"
	"stackpolicy/report/timeline"
)

// Group is the open findings of one subject.
type Group struct {
	Subject  string
	Anchor   string // of the subject's unit; "" if it has none
	Findings Some[Finding]
}

// Finding is one finding over time.
type Finding struct {
	Class, Word string
	Invariant   string
	Message     string
	When        string
	Note        string // the result of its heal, or who waives it; else ""
	Next        string // what to do; commands are in backticks
	Explain     string // the command that shows all about it; "" if it is no longer open
}

// groups lists the open findings by subject, in the order of the units.
func groups(t *timeline.Timeline, units []Unit, w wording) Some[Group] {
	var groups []Group
	for _, u := range units {
		if list := counting(t.Findings(u.key)); len(list) > 0 {
			groups = append(groups, Group{Subject: u.Name, Anchor: u.Anchor, Findings: w.findings(list)})
		}
	}
	return some(groups, maxGroups)
}

// counting returns the findings that are open and not waived, the worst first.
func counting(list []history.Occurrence) []history.Occurrence {
	return slices.DeleteFunc(worstFirst(list), func(s history.Occurrence) bool {
		return s.ResolvedAt != nil || s.Waiver != nil
	})
}

// worstFirst sorts findings: open ones, then the worst, then the newest first.
func worstFirst(list []history.Occurrence) []history.Occurrence {
	return slices.SortedStableFunc(slices.Values(list), func(x, y history.Occurrence) int {
		return cmp.Or(
			cmp.Compare(resolved(x), resolved(y)),
			cmp.Compare(timeline.Of(y.Finding), timeline.Of(x.Finding)),
			y.Since.Compare(x.Since),
			cmp.Compare(x.Invariant, y.Invariant),
			cmp.Compare(x.ID, y.ID),
		)
	})
}

func resolved(s history.Occurrence) int {
	if s.ResolvedAt == nil {
		return 0
	}
	return 1
}

// wording puts findings into words.
type wording struct {
	clock
	steps func(finding.Finding) []string // may be nil
}

func (w wording) findings(list []history.Occurrence) Some[Finding] {
	cut := some(list, maxFindings)
	out := Some[Finding]{More: cut.More}
	for _, s := range cut.List {
		out.List = append(out.List, w.finding(s))
	}
	return out
}

func (w wording) finding(s history.Occurrence) Finding {
	f := Finding{
		Class: classOf(timeline.Of(s.Finding)), Word: wordOf(s.Finding),
		Invariant: name(s.Invariant), Message: sentence(s.Message), When: w.when(s), Note: w.note(s),
	}
	if s.ResolvedAt == nil && s.Waiver == nil {
		f.Next = sentence(next(s.Finding, w.steps))
		if s.Invariant != finding.AuditComplete { // which no rule gave
			f.Explain = report.ExplainCommand(s.Subject, s.Invariant)
		}
	}
	return f
}

// when says when a finding was open, and for how long.
func (c clock) when(s history.Occurrence) string {
	switch {
	case s.ResolvedAt == nil:
		return fmt.Sprintf("since %s (%s)", c.at(s.Since), text.Elapsed(max(c.now.Sub(s.Since), 0)))
	case !s.ResolvedAt.After(s.Since):
		return fmt.Sprintf("%s, healed by the audit that found it", c.at(s.Since))
	}
	return fmt.Sprintf("%s to %s (%s)", c.at(s.Since), c.at(*s.ResolvedAt), text.Elapsed(s.ResolvedAt.Sub(s.Since)))
}

// note says who waives a finding, or what became of its heal.
func (c clock) note(s history.Occurrence) string {
	switch {
	case s.Waiver != nil:
		return fmt.Sprintf("waived until %s by %s: %s", c.at(s.Waiver.Until), cmp.Or(name(s.Waiver.Owner), "nobody named"), sentence(s.Waiver.Reason))
	case s.ResolvedAt != nil:
		return ""
	case s.Outcome == finding.HealFailed:
		return "the heal failed"
	case s.Outcome == finding.Refused:
		return "the heal was refused"
	}
	return ""
}

// next returns the first thing to do about an open finding; "" if that is
// unknown.
func next(f finding.Finding, steps func(finding.Finding) []string) string {
	switch {
	case f.Outcome == finding.Planned:
		return "`stackpolicy eval --enforce` heals it"
	case f.Outcome == finding.Refused: // the runbook's step would be the very action that is held back
		return "Remove what holds the heal back, then audit again: `stackpolicy eval`"
	case steps == nil:
		return ""
	}
	if list := steps(f); len(list) > 0 {
		return list[0]
	}
	return ""
}
