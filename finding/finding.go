// Package finding has the types that all of stackpolicy shares: what a rule can find, its
// level, the actions that can heal it, and their outcome. It imports only the standard
// library, and every other package may import it.
//
// Start at [Finding].
package finding

import (
	"maps"
	"strings"
	"time"
)

// Finding is the result of one invariant for one subject. With the effect [Allow] the
// invariant holds.
type Finding struct {
	Invariant string         `json:"invariant"`
	Subject   string         `json:"subject"`  // a unit's name, or Host
	Effect    Effect         `json:"effect"`   // allow, heal or block
	Severity  Severity       `json:"severity"` // page, ticket, unknown; empty for allow
	Message   string         `json:"message"`
	Evidence  map[string]any `json:"evidence"` // JSON values; never nil
	Runbook   string         `json:"runbook"`  // file in the policy folder; empty for allow
	Waiver    *Waiver        `json:"waiver"`   // nil: not waived
	Outcome   Outcome        `json:"outcome"`  // of a heal; empty until it is known
	Class     Class          `json:"-"`        // the invariant's
	Action    Action         `json:"-"`        // of a heal; empty otherwise

	// Settings is what the settings changed of what the rule said, such as "block instead of
	// heal (restart)"; empty for nothing.
	Settings string `json:"-"`

	// AppearedAfter are the actions of the audit after which the finding appeared,
	// or became worse; nil if it was there before them.
	AppearedAfter []Action `json:"-"`
}

// Waiver says that a finding does not count: why, who decided it, and until when.
type Waiver struct {
	Reason string    `json:"reason"`
	Owner  string    `json:"owner"`
	Until  time.Time `json:"until"`
}

// Cases of findings that do not come from a rule.
const (
	CaseGap   = "gap"   // facts that the invariant needs could not be collected
	CaseError = "error" // the rule failed, or its result was not valid
)

// AuditComplete is the invariant of a gap that leaves no other invariant undecided. No rule
// has this id.
const AuditComplete = "audit_complete"

// Case returns the case in the evidence: in which way the invariant does not hold; "" if the
// evidence has none.
func (f Finding) Case() string {
	name, _ := f.Evidence["case"].(string)
	return name
}

// Object returns the thing at fault that the evidence names: a service of the stack, a
// container, a project, the target of a probe, or a file; "" if it names none. Together with
// the invariant and the subject it identifies a finding from one audit to the next, although
// the case may change.
func (f Finding) Object() string {
	for _, key := range []string{"service", "container", "project", "target", "path"} {
		if name, _ := f.Evidence[key].(string); name != "" {
			return name
		}
	}
	return ""
}

// Identity is the same text for findings of one invariant on one subject about one object,
// whatever their case and severity.
func (f Finding) Identity() string {
	return strings.Join([]string{f.Invariant, f.Subject, f.Object()}, "\x00")
}

// PublicEvidence returns the evidence for reports and the history: it also names the
// actions after which the finding appeared, and what the settings changed.
func (f Finding) PublicEvidence() map[string]any {
	if len(f.AppearedAfter) == 0 && f.Settings == "" {
		return f.Evidence
	}
	evidence := map[string]any{}
	if len(f.AppearedAfter) > 0 {
		evidence["appeared_after"] = f.AfterWhat()
	}
	maps.Copy(evidence, f.Evidence)
	if f.Settings != "" {
		evidence["settings"] = f.Settings
	}
	return evidence
}

// AfterWhat names the actions after which the finding appeared; "" for none.
func (f Finding) AfterWhat() string {
	names := make([]string, len(f.AppearedAfter))
	for i, a := range f.AppearedAfter {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}

// IsAllowed reports whether the invariant holds.
func (f Finding) IsAllowed() bool { return f.Effect == Allow }

// IsUnknown reports whether it could not be decided if the invariant holds.
func (f Finding) IsUnknown() bool { return f.Severity == Unknown }

// IsGap reports whether it could not be decided because facts are missing.
func (f Finding) IsGap() bool { return f.IsUnknown() && f.Case() == CaseGap }

// Counts reports whether the finding is open: the invariant does not hold, was
// not healed, and is not waived.
func (f Finding) Counts() bool {
	return !f.IsAllowed() && f.Waiver == nil && f.Outcome != Healed
}

// AsksFor reports whether the finding asks for an action. A waived one does not.
func (f Finding) AsksFor(action Action) bool {
	return f.Effect == Heal && f.Waiver == nil && f.Action == action
}

// Urgency returns the severity of an open finding, whether or not it is waived: a heal
// that failed is a page, any other heal is a ticket, and other findings have the rule's
// severity.
func (f Finding) Urgency() Severity {
	switch {
	case f.Outcome == HealFailed:
		return Page
	case f.Effect == Heal:
		return Ticket
	}
	return f.Severity
}

// Level returns how bad the finding is: [LevelOK] where it does not count.
func (f Finding) Level() Level {
	if !f.Counts() {
		return LevelOK
	}
	return f.Urgency().Level()
}

// WorstOf returns the level of the worst finding, and LevelOK without any.
func WorstOf(findings []Finding) Level {
	worst := LevelOK
	for _, f := range findings {
		worst = Worst(worst, f.Level())
	}
	return worst
}
