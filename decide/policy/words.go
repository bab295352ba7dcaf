package policy

// FindingKeys lists the keys of a finding.
func FindingKeys() []string {
	return []string{"action", "effect", "evidence", "message", "severity", "subject"}
}
