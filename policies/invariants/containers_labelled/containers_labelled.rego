# METADATA
# title: an auto-updated container's PODMAN_SYSTEMD_UNIT label names a loaded unit of this user
# description: |
#   podman auto-update restarts the unit that this label names and rolls back
#   only if that restart fails (podman-auto-update(1)). podman-compose 1.3 names
#   podman-compose@PROJECT.service, which often does not exist, and 1.0 sets no
#   label. Without a unit that is loaded the update fails or does nothing. For a
#   container in a pod, podman reads the label of the pod's infra container. In a
#   pod without one, as podman-compose makes them, auto-update fails for every
#   container of the user (measured with podman 5.4). So it does for a policy that podman
#   does not know. A container that does not run is not updated.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: [podman, units.containers]
#   optional: [storage]
#   actions: []
#   runbook: containers_labelled.md
package stackpolicy.invariants.containers_labelled

import data.stackpolicy.lib

finding contains {
	"subject": c.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("container %s is auto-updated, but has no PODMAN_SYSTEMD_UNIT label", [c.container]),
	"evidence": {
		"case": "missing",
		"container": c.container,
		"expected": "the name of a loaded unit of this user",
		"found": "no label",
	},
} if {
	some c in updated
	c.labels == []
}

finding contains {
	"subject": c.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("auto-updated container %s: its PODMAN_SYSTEMD_UNIT %q %s", [c.container, label.name, says(case)]),
	"evidence": {
		"case": case,
		"container": c.container,
		"expected": "the name of a loaded unit of this user",
		"found": label.name,
		"load_state": label.load_state,
	},
} if {
	some c in updated
	some label in c.labels
	[label.valid, label.load_state] != [true, "loaded"] # few are: saves the rest
	case := fault(label.valid, label.load_state)
}

finding contains {
	"subject": c.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf(
		"auto-updated container %s is in a pod without an infra container, so podman auto-update fails",
		[c.container],
	),
	"evidence": {
		"case": "pod-without-infra",
		"container": c.container,
		"expected": "no pod, or one with an infra container",
		"found": c.pod,
	},
} if {
	some c in updated
	c.pod != ""
	not c.pod in with_infra
	not looks_at_containers_alone
}

# Such a podman reads the label of the container itself (measured with 4.3).
looks_at_containers_alone if regex.match(`^4\.[0-3]\.`, input.storage.podman_version)

# podman refuses to update anything then.
finding contains {
	"subject": c.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("container %s: podman auto-update fails for all containers, as it knows no policy %q", [
		c.container.name,
		c.container.auto_update,
	]),
	"evidence": {
		"case": "policy",
		"container": c.container.name,
		"expected": "registry, local or disabled",
		"found": c.container.auto_update,
	},
} if {
	some c in running
	lib.update_fails(c.container.auto_update)
}

# running are the containers with a policy that run. podman updates no others. A list costs
# less than a set, which compares whole containers.
running := array.concat(owned, unowned)

owned := [{"subject": unit.name, "container": container} |
	some unit in input.units
	unit.managed_by != ""
	some container in unit.containers
	container.auto_update != "" # most have none: saves the rest
	container.state == "running"
]

unowned := [{"subject": "host", "container": container} |
	some container in input.podman.unowned
	container.auto_update != ""
	container.state == "running"
]

# with_infra is the set of pods that have an infra container.
with_infra contains container.pod if {
	some unit in input.units
	some container in unit.containers
	container.infra
}

with_infra contains container.pod if {
	some container in input.podman.unowned
	container.infra
}

updated := [of |
	some c in running
	lib.auto_updated(c.container.auto_update)
	of := {
		"subject": c.subject,
		"container": c.container.name,
		"pod": c.container.pod,
		"labels": [c.container.unit_label | c.container.unit_label],
	}
]

fault(false, _) := "malformed"

fault(true, "") := "unverified"

fault(true, load_state) := "foreign" if not load_state in {"", "loaded"}

says("malformed") := "is no unit name"

says("unverified") := "could not be checked"

says("foreign") := "is not loaded"
