package daily

import (
	"cmp"
	"fmt"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

func (b *builder) findings(list []history.Standing) Some[Finding] {
	cut := some(list, maxFindings)
	out := Some[Finding]{More: cut.More}
	for _, s := range cut.List {
		out.List = append(out.List, b.finding(s))
	}
	return out
}

func (b *builder) finding(s history.Standing) Finding {
	f := Finding{
		Class: stateOf(s.Finding).class(), Word: wordOf(s.Finding),
		Invariant: name(s.Invariant), Message: sentence(s.Message), When: b.stood(s), Note: b.note(s),
	}
	if s.ResolvedAt == nil && s.Waiver == nil {
		f.Next = sentence(next(s.Finding, b.Steps))
	}
	return f
}

// stood is when a finding stood, and for how long.
func (b *builder) stood(s history.Standing) string {
	switch {
	case s.ResolvedAt == nil:
		return fmt.Sprintf("since %s (%s)", b.at(s.Since), text.Elapsed(max(b.now.Sub(s.Since), 0)))
	case !s.ResolvedAt.After(s.Since):
		return fmt.Sprintf("%s, healed by the audit that found it", b.at(s.Since))
	}
	return fmt.Sprintf("%s to %s (%s)", b.at(s.Since), b.at(*s.ResolvedAt), text.Elapsed(s.ResolvedAt.Sub(s.Since)))
}

func (b *builder) note(s history.Standing) string {
	switch {
	case s.Waiver != nil:
		return fmt.Sprintf("waived until %s by %s: %s", b.at(s.Waiver.Until), cmp.Or(name(s.Waiver.Owner), "nobody named"), sentence(s.Waiver.Reason))
	case s.ResolvedAt != nil:
		return ""
	case s.Outcome == finding.HealFailed:
		return "the heal failed"
	case s.Outcome == finding.Refused:
		return "the heal was refused"
	}
	return ""
}

// next is the first thing to do about a finding that stands; "" where nothing
// is known.
func next(f finding.Finding, steps func(finding.Finding) []string) string {
	switch {
	case f.Outcome == finding.Planned:
		return "`stackpolicy eval --enforce` heals it"
	case f.Outcome == finding.Refused: // the runbook's step would be the very action that is held back
		return "Mend what holds the heal back, then audit again: `stackpolicy eval`"
	case steps == nil:
		return ""
	}
	if list := steps(f); len(list) > 0 {
		return list[0]
	}
	return ""
}
