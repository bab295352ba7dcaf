# METADATA
# title: no failed state is left of a unit that no longer exists
# description: |
#   A unit that failed and lost its file stays in memory as failed and
#   not-found, keeps the manager degraded and hides the next real failure
#   (systemctl(1), reset-failed). What is declared is never reset here: that its
#   file is missing is another finding. Without the declaration nobody could
#   tell, so it is needed.
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
	"message": sprintf("%s failed and has no unit file any more", [name]),
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
