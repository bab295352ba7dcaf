package finding

// Host is the subject of what concerns no single unit.
const Host = "host"

// Effect is what a rule asks for.
type Effect string

// Effects.
const (
	Allow Effect = "allow" // the invariant holds
	Heal  Effect = "heal"  // an action is to restore it
	Block Effect = "block" // a person has to restore it
)

// RuleEffects lists the effects that a rule may ask for. Allow is the absence
// of a finding, so no rule asks for it.
func RuleEffects() []Effect { return []Effect{Heal, Block} }

// Severity is how urgent a finding is.
type Severity string

// Severities.
const (
	Page    Severity = "page"    // wake someone up
	Ticket  Severity = "ticket"  // within working hours
	Unknown Severity = "unknown" // the facts could not be collected, or the rule not evaluated
)

// RuleSeverities lists the severities that a finding of a rule may have: unknown is for a
// subject that the rule cannot judge.
func RuleSeverities() []Severity { return []Severity{Page, Ticket, Unknown} }

// DefaultSeverities lists those that METADATA may give for findings that have none.
func DefaultSeverities() []Severity { return []Severity{Page, Ticket} }

// Level returns the level of an open finding of this severity. A severity of
// another version of this program is a warning.
func (s Severity) Level() Level {
	switch s {
	case Page:
		return LevelCritical
	case Unknown:
		return LevelUnknown
	}
	return LevelWarning
}

// Outcome is what became of a heal. It is empty for every other finding.
type Outcome string

// Outcomes.
const (
	Planned    Outcome = "planned"     // not tried: this audit only observes, or the finding appeared after its actions
	Healed     Outcome = "healed"      // done, and the finding is gone
	HealFailed Outcome = "heal-failed" // tried, and the finding may still be there
	Refused    Outcome = "refused"     // a guard held the action back
)

// Class is what an invariant judges.
type Class string

// Classes.
const (
	ClassProvenance Class = "provenance" // where a unit's definition comes from
	ClassStack      Class = "stack"      // a unit that runs a container stack
	ClassUnit       Class = "unit"       // any managed unit
	ClassHost       Class = "host"       // the host as a whole
)

// Classes lists every class.
func Classes() []Class { return []Class{ClassProvenance, ClassStack, ClassUnit, ClassHost} }
