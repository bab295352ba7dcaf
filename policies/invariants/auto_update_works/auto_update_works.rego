# METADATA
# title: auto-update runs where a container asks for it, and its last run succeeded
# description: |
#   podman-auto-update.timer of the user manager runs podman auto-update
#   (podman-auto-update(1)). A container's label has no effect without it. A run that
#   fails updates nothing, or not all. If no container has the label, neither matters.
#   If the service failed and is managed itself, unit_not_failed reports it.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [podman, units.containers]
#   optional: [auto_update]
#   actions: []
#   runbook: auto_update_works.md
package stackpolicy.invariants.auto_update_works

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

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman-auto-update.timer will never elapse again, but %d containers ask for updates", [count(waiting)]),
	"evidence": {"case": "elapsed", "expected": "waiting", "found": "elapsed", "containers": sort(waiting)},
} if {
	input.podman.present
	timer.active_state == "active"
	timer.sub_state == "elapsed"
	count(waiting) > 0
}

# It was masked or removed while it ran.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman-auto-update.timer runs, but is %s: it will not start again, as at the next boot", [timer.load_state]),
	"evidence": {"case": "last-run", "expected": "loaded", "found": timer.load_state, "containers": sort(waiting)},
} if {
	input.podman.present
	timer.active_state == "active"
	not timer.load_state in {"loaded", ""}
	count(waiting) > 0
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("the last run of podman-auto-update.service failed (%s) at %s", [input.auto_update.result, ended]),
	"evidence": {
		"case": "run-failed",
		"expected": "success",
		"found": input.auto_update.result,
		"at": ended,
		"containers": sort(waiting),
	},
} if {
	input.auto_update.active_state == "failed"
	count(waiting) > 0
	not service_is_managed
}

ended := object.get(input.auto_update, "ended_at", "an unknown time")

service_is_managed if {
	some unit in input.units
	unit.name == "podman-auto-update.service"
	unit.managed_by != ""
}

default timer := {"load_state": "", "active_state": ""}

timer := input.podman.auto_update_timer

waiting contains container.name if {
	some unit in input.units
	unit.managed_by != ""
	some container in unit.containers
	lib.auto_updated(container.auto_update)
	container.state == "running" # podman updates no others
}

waiting contains container.name if {
	some container in input.podman.unowned
	lib.auto_updated(container.auto_update)
	container.state == "running" # podman updates no others
}

kind("") := "not-asked"

kind("not-found") := "not-installed"

kind("masked") := "masked"

kind(load_state) := "stopped" if not load_state in {"", "not-found", "masked"}

says("not-asked") := "could not be asked"

says("not-installed") := "is not installed"

says("masked") := "is masked"

says("stopped") := "is not active"
