# METADATA
# title: the links belong to the current generation and the last activation succeeded
# description: |
#   Home Manager moves the links first, starts units then, and writes current-home
#   last, so links ahead of it mean an activation that is running or stopped half-way
#   (measured). Half a generation may not fit together. While one is running it is a
#   ticket. One finding names the cause, and no unit has one only for belonging to the
#   generation that was to come: what runs is as it was before. A unit that does not
#   start is a frequent cause, so those that have failed are named. With the NixOS
#   module, the running system has one generation for the account: another one that is
#   current means that the system's was never activated, or that somebody activated an
#   older one since.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: [declared]
#   optional: [units.loaded]
#   actions: []
#   runbook: activation_current.md
package stackpolicy.invariants.activation_current

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": severity(case),
	"message": concat("", [says(case), moved, also_failed]),
	"evidence": {
		"case": case,
		"expected": input.declared.generation,
		"found": input.declared.activation.state,
		"links": count(input.declared.activation.ahead),
		"ahead": input.declared.activation.ahead,
		"pending": object.get(input.declared.activation, "pending", ""),
		"failed_units": failed,
		"service": service.name,
		"result": service.result,
	},
} if {
	case := kind(input.declared.activation.state, count(input.declared.activation.ahead))
}

# The system's own generation is not the current one.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": "the running system has another Home Manager generation than the one that was activated",
	"evidence": {
		"case": "not-activated",
		"expected": service.generation,
		"found": input.declared.generation,
		"service": service.name,
	},
} if {
	input.declared.activation.state == "current"
	service.generation
	not object.get(service, "is_current", false)
}

default service := {"name": "", "result": ""}

service := input.declared.activation.service

kind("current", ahead) := "other-generation" if ahead > 0

kind(state, _) := state if not state in {"none", "current"}

default severity(_) := "page"

severity("running") := "ticket"

says(case) := object.get(
	{
		"running": "an activation is running",
		"half-finished": "an activation stopped half-way",
		"failed": activation_failed,
		"other-generation": "links do not belong to the current generation",
	},
	case, sprintf("the activation is %s", [case]),
)

default activation_failed := "the last activation failed"

activation_failed := sprintf("%s failed (%s)", [service.name, service.result]) if service.name != ""

default moved := ""

moved := sprintf(" (links of another generation: %d)", [count(input.declared.activation.ahead)]) if {
	count(input.declared.activation.ahead) > 0
}

# failed are units that may have kept the activation from its end.
failed := sort({unit.name |
	some unit in input.units
	unit.loaded.active_state == "failed"
})

default also_failed := ""

also_failed := sprintf("; failed: %s", [concat(", ", array.slice(failed, 0, 3))]) if count(failed) > 0
