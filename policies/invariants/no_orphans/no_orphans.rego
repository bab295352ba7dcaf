# METADATA
# title: nothing is left of a generation that is not the current one
# description: |
#   An activation only removes links of the generation before it. Suppose that
#   generation B adds a unit, its activation is interrupted, and generation C does
#   not have that unit: then its links into B stay, and it starts at every boot. A
#   unit whose file was removed continues to run, and cannot be restarted. Links
#   that an unfinished activation has already made are reported by
#   activation_current.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [manager, declared, units.files, units.loaded]
#   actions: []
#   runbook: no_orphans.md
package stackpolicy.invariants.no_orphans

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s is linked into an old Home Manager generation, and the current one does not declare it; it is %s", [
		unit.name,
		state(unit),
	]),
	"evidence": {
		"case": "linked",
		"expected": "no link, or a link of the current generation",
		"found": [file.first_hop | some file in links],
		"links": [file.path | some file in links],
		"state": state(unit),
	},
} if {
	some unit in input.units
	unit.managed_by == ""
	links := [file |
		some file in unit.files
		file.state == "other-generation"
		not file.path in input.declared.activation.ahead
	]
	count(links) > 0
}

finding contains {
	"subject": name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s still runs, but no longer has a unit file", [name]),
	"evidence": {"case": "running", "expected": "a unit file, or no such unit", "found": "it runs, and has no file"},
} if {
	some name in input.manager.running_without_file
	not name in managed
}

managed contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
}

default state(_) := "not loaded"

state(unit) := unit.loaded.active_state
