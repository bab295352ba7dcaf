# METADATA
# title: write the good state of new_invariant here, in one line
# description: |
#   Write here why it matters. As it is, the rule finds managed units of which
#   systemd refuses a setting.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: ticket
#   needs: [units.loaded]
#   actions: []
#   runbook: new_invariant.md
package stackpolicy.invariants.new_invariant

finding contains {
	"subject": unit.name,
	"effect": "block",
	"message": sprintf("systemd refuses a setting of %s", [unit.name]),
	"evidence": {"case": "bad-setting", "expected": "loaded", "found": unit.loaded.load_state},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.load_state == "bad-setting"
}
