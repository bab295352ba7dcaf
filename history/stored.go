package history

import (
	"time"

	"stackpolicy/finding"
)

// StoredFinding is a finding in the form of the history's file and of stackpolicy.history/v1.
// The JSON names must not change, because files of earlier versions have them.
type StoredFinding struct {
	Invariant    string           `json:"invariant"`
	Subject      string           `json:"subject"`  // a unit's name, or host
	Case         string           `json:"case"`     // case of its evidence, or ""
	Effect       finding.Effect   `json:"effect"`   // heal or block
	Severity     finding.Severity `json:"severity"` // page, ticket or unknown
	Message      string           `json:"message"`
	Runbook      string           `json:"runbook"`
	Evidence     map[string]any   `json:"evidence"` // never nil
	Outcome      finding.Outcome  `json:"outcome"`
	WaivedUntil  *time.Time       `json:"waived_until,omitempty"`
	WaivedReason string           `json:"waived_reason,omitempty"`
	WaivedBy     string           `json:"waived_by,omitempty"` // the waiver's owner
}

// Stored returns the finding in the form that is stored. It has no class and action, because
// they belong to the rules that are in use.
func Stored(f finding.Finding) StoredFinding {
	s := StoredFinding{
		Invariant: f.Invariant, Subject: f.Subject, Case: f.Case(), Effect: f.Effect, Severity: f.Severity,
		Message: f.Message, Runbook: f.Runbook, Evidence: orEmpty(f.PublicEvidence()), Outcome: f.Outcome,
	}
	if w := f.Waiver; w != nil {
		s.WaivedUntil, s.WaivedReason, s.WaivedBy = &w.Until, w.Reason, w.Owner
	}
	return s
}

// finding returns the stored finding.
func (s StoredFinding) finding() finding.Finding {
	f := finding.Finding{
		Invariant: s.Invariant, Subject: s.Subject, Effect: s.Effect, Severity: s.Severity,
		Message: s.Message, Runbook: s.Runbook, Evidence: orEmpty(s.Evidence), Outcome: s.Outcome,
	}
	if s.WaivedUntil != nil {
		f.Waiver = &finding.Waiver{Reason: s.WaivedReason, Owner: s.WaivedBy, Until: *s.WaivedUntil}
	}
	return f
}

func orEmpty(evidence map[string]any) map[string]any {
	if evidence == nil {
		return map[string]any{}
	}
	return evidence
}
