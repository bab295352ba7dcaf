# METADATA
# title: no unit that no longer exists is still failed
# description: |
#   A unit that failed and whose file was then removed stays in memory as failed
#   and not-found, keeps the manager degraded and hides the next real failure
#   (systemctl(1), reset-failed). Declared units are never reset by this rule:
#   another finding reports that their file is missing. So the rule needs to know
#   what is declared.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [manager, declared]
#   actions: [reset-failed]
#   runbook: no_ghost_failure.md
package stackpolicy.invariants.no_ghost_failure

finding contains {
	"subject": name,
	"effect": "heal",
	"severity": "ticket",
	"message": sprintf("%s failed and no longer has a unit file", [name]),
	"evidence": {"case": "ghost", "expected": "no such unit", "found": "failed, not-found"},
	"action": "reset-failed",
} if {
	some name in input.manager.failed_without_file
	not name in managed
}

managed contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
}
