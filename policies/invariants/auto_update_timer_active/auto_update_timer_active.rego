# METADATA
# title: the auto-update timer is active where a container asks for auto-update
# description: |
#   podman-auto-update.timer of the user manager runs podman auto-update
#   (podman-auto-update(1)). A container's label has no effect without it. If no
#   container has the label, the timer does not matter.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [podman, units.containers]
#   actions: []
#   runbook: auto_update_timer_active.md
package stackpolicy.invariants.auto_update_timer_active

import data.stackpolicy.lib

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman-auto-update.timer %s, but %d containers ask for updates", [says(case), count(waiting)]),
	"evidence": {
		"case": case,
		"expected": "active",
		"found": lib.non_empty(timer.active_state, "unknown"),
		"containers": sort(waiting),
	},
} if {
	input.podman.present
	timer.active_state != "active"
	count(waiting) > 0
	case := kind(timer.load_state)
}

default timer := {"load_state": "", "active_state": ""}

timer := input.podman.auto_update_timer

waiting contains container.name if {
	some unit in input.units
	unit.managed_by != ""
	some container in unit.containers
	lib.auto_updated(container.auto_update)
}

waiting contains container.name if {
	some container in input.podman.unowned
	lib.auto_updated(container.auto_update)
}

kind("") := "not-asked"

kind("not-found") := "not-installed"

kind("masked") := "masked"

kind(load_state) := "stopped" if not load_state in {"", "not-found", "masked"}

says("not-asked") := "could not be asked"

says("not-installed") := "is not installed"

says("masked") := "is masked"

says("stopped") := "is not active"
