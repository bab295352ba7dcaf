package decide

import (
	"fmt"
	"strings"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// override applies the settings' decide: heals become alerts, and severities others. Entries
// are applied in their order, so that the last one that covers a finding has its way. What
// could not be decided stays as it is. This is the only place where it is applied.
func override(s policy.Settings, decisions []finding.Finding) {
	for i := range decisions {
		d := &decisions[i]
		if len(s.Decide) == 0 || d.IsAllowed() || d.IsUnknown() {
			continue
		}
		rule := *d
		for _, e := range s.Decide {
			if !e.Covers(d.Invariant, d.Subject) {
				continue
			}
			if e.Effect == finding.Block {
				d.Effect, d.Action = finding.Block, ""
			}
			if e.Severity != "" {
				d.Severity = e.Severity
			}
		}
		d.Settings = difference(rule, *d)
	}
}

// difference says what the settings changed of what a rule said.
func difference(rule, now finding.Finding) string {
	var changes []string
	if now.Effect != rule.Effect {
		changes = append(changes, fmt.Sprintf("%s instead of %s (%s)", now.Effect, rule.Effect, rule.Action))
	}
	if now.Severity != rule.Severity {
		changes = append(changes, fmt.Sprintf("%s instead of %s", now.Severity, rule.Severity))
	}
	return strings.Join(changes, ", ")
}
