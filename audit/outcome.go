package audit

import (
	"slices"

	"stackpolicy/enforce"
	"stackpolicy/finding"
)

// appeared returns the findings of the second observation that are new or worse than
// in the first, on all units: an action may break units that depend on its subject.
func appeared(first, after enforce.Observation, actions []enforce.Action) []finding.Finding {
	var list []finding.Finding
	for _, f := range after.Result.Decisions {
		if !f.IsAllowed() && !wasFound(first.Result.Decisions, f) {
			f.AppearedAfter = tried(actions)
			list = append(list, f)
		}
	}
	return list
}

// wasFound reports whether there already was a finding of the same invariant on the
// same subject that was at least as bad.
func wasFound(findings []finding.Finding, f finding.Finding) bool {
	return slices.ContainsFunc(findings, func(x finding.Finding) bool {
		same := x.Invariant == f.Invariant && x.Subject == f.Subject && !x.IsAllowed()
		return same && x.Level() >= f.Level()
	})
}

// tried returns the kinds of actions that were tried.
func tried(actions []enforce.Action) []finding.Action {
	var names []finding.Action
	for _, a := range actions {
		if a.Status != enforce.Refused && !slices.Contains(names, a.Action) {
			names = append(names, a.Action)
		}
	}
	return names
}

// setOutcomes sets the outcome of every heal. A waived heal has no outcome, and a heal
// that appeared after the actions waits for the next audit. after has the findings
// after the actions; nil if they could not be observed.
func setOutcomes(findings []finding.Finding, actions []enforce.Action, after []finding.Finding) {
	for i := range findings {
		f := &findings[i]
		if f.Effect != finding.Heal || f.Waiver != nil {
			continue
		}
		f.Outcome = finding.Planned
		for _, a := range actions {
			if a.Action == f.Action && a.IsFor(*f) {
				f.Outcome = outcome(a, *f, after)
			}
		}
	}
}

// outcome returns the outcome of a heal. It is [finding.Healed] only if the invariant
// was decided again and the finding is gone.
func outcome(a enforce.Action, f finding.Finding, after []finding.Finding) finding.Outcome {
	switch {
	case a.Status == enforce.Planned:
		return finding.Planned
	case a.Status == enforce.Refused:
		return finding.Refused
	case a.Status == enforce.Done && after != nil && !isStillFound(after, f):
		return finding.Healed
	}
	return finding.HealFailed
}

// isStillFound reports whether the finding is still open, or may be: its
// invariant could not be decided.
func isStillFound(after []finding.Finding, f finding.Finding) bool {
	return slices.ContainsFunc(after, func(x finding.Finding) bool {
		same := x.Invariant == f.Invariant && !x.IsAllowed()
		return same && (x.Subject == f.Subject || x.IsUnknown())
	})
}
