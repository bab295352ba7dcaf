# METADATA
# title: the links belong to the current generation and the last activation succeeded
# description: |
#   Home Manager moves the links first and current-home last. So links that are
#   newer than current-home mean that an activation is running or stopped half-way
#   (measured). Units of two generations may not fit together. While an activation
#   is running, the finding is only a ticket.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: [declared]
#   actions: []
#   runbook: activation_current.md
package stackpolicy.invariants.activation_current

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": severity(case),
	"message": sprintf("%s (links of another generation: %d)", [says(case), count(input.declared.activation.ahead)]),
	"evidence": {
		"case": case,
		"expected": input.declared.generation,
		"found": input.declared.activation.state,
		"links": count(input.declared.activation.ahead),
		"ahead": input.declared.activation.ahead,
		"service": service.name,
		"result": service.result,
	},
} if {
	case := kind(input.declared.activation.state, count(input.declared.activation.ahead))
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
		"failed": "the last activation failed",
		"other-generation": "links do not belong to the current generation",
	},
	case, sprintf("the activation is %s", [case]),
)
