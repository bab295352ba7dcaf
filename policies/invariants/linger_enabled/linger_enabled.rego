# METADATA
# title: linger is on
# description: |
#   Without linger the user manager, and with it every stack, starts at login and
#   ends with the last session (loginctl(1), enable-linger).
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: [user]
#   actions: []
#   runbook: linger_enabled.md
package stackpolicy.invariants.linger_enabled

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": sprintf("linger is off for %s: the stacks stop with the last session", [input.user.name]),
	"evidence": {"case": "off", "user": input.user.name, "expected": "on", "found": "off"},
} if {
	not input.user.linger
}
