# METADATA
# title: containers of a compose project belong to a managed unit
# description: |
#   A project without a managed unit was started by hand, or belongs to a stack that
#   was renamed or removed. It is not started at boot and not updated, but it still
#   uses names, ports and volumes.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [podman]
#   actions: []
#   runbook: stack_owned.md
package stackpolicy.invariants.stack_owned

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("no managed unit owns project %s (containers: %d)", [project, count(containers)]),
	"evidence": {
		"case": "unowned",
		"project": project,
		"expected": "a managed unit",
		"found": "none",
		"containers": sort(containers),
	},
} if {
	some project, containers in unowned
}

unowned[container.project] contains container.name if {
	some container in input.podman.unowned
	container.project != ""
}
