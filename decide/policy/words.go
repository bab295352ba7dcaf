package policy

// Words that rules and METADATA are written in.
const (
	EffectAllow = "allow"
	EffectHeal  = "heal"
	EffectBlock = "block"

	SeverityPage    = "page"
	SeverityTicket  = "ticket"
	SeverityUnknown = "unknown" // could not look or decide

	// HostSubject is the subject of what is about no single unit.
	HostSubject = "host"

	CaseGap   = "gap"
	CaseError = "error"
)

// Classes lists what an invariant may be asked of.
func Classes() []string { return []string{"provenance", "stack", "unit", "host"} }

// Severities lists what a rule may give a finding.
func Severities() []string { return []string{SeverityPage, SeverityTicket} }

// Effects lists what a rule may ask for.
func Effects() []string { return []string{EffectHeal, EffectBlock} }

// Actions lists what a heal may ask for.
func Actions() []string { return []string{"daemon-reload", "reset-failed", "restart"} }

// FindingKeys lists the keys of a finding.
func FindingKeys() []string {
	return []string{"action", "effect", "evidence", "message", "severity", "subject"}
}
