# METADATA
# title: containers run the images that their names mean now
# description: |
#   A container keeps the image it was created from, whatever its name means later.
#   An update that podman auto-update rolled back leaves no trace but in podman's
#   events: the run ends with success (measured), and does the same again the next
#   time. A container that is auto-updated waits for the next run where its new image
#   was built after the last one. One whose auto-update is disabled by its label is
#   held on purpose. A name that means no image any more, or that has a digest, says
#   nothing against the container.
# schemas:
#   - input: schema.facts
# custom:
#   class: stack
#   severity: ticket
#   needs: [podman, units.loaded, units.containers, auto_update]
#   actions: []
#   runbook: images_current.md
package stackpolicy.invariants.images_current

import data.stackpolicy.lib

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("container %s: the update of %s was rolled back at %s; the next run tries again", [
		container.name,
		container.image,
		container.rolled_back.at,
	]),
	"evidence": {
		"case": "rolled-back",
		"container": container.name,
		"image": container.image,
		"expected": "a new image that starts",
		"found": container.image_id,
		"at": container.rolled_back.at,
	},
} if {
	some unit in managed
	some container in unit.containers
	container.rolled_back
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("container %s runs an older image than %s means now", [container.name, container.image]),
	"evidence": {
		"case": "older",
		"container": container.name,
		"image": container.image,
		"expected": container.image_now.id,
		"found": container.image_id,
		"built_at": object.get(container.image_now, "built_at", "unknown"),
		"auto_update": container.auto_update,
	},
} if {
	some unit in managed
	unit.loaded.active_state == "active" # an update restarts it
	some container in unit.containers
	container.image_now.id != container.image_id
	container.state == "running"
	not container.infra
	not container.rolled_back
	container.auto_update != "disabled"
	not waits_for_its_update(container)
}

managed contains unit if {
	some unit in input.units
	unit.managed_by != ""
	unit.containers != []
}

# waits_for_its_update is true for a new image that no run of auto-update has seen
# yet. Where there was none since the manager started, the next one is still to come;
# whether it does is auto_update_works'.
waits_for_its_update(container) if {
	lib.auto_updated(container.auto_update)
	not input.auto_update.ended_at
}

waits_for_its_update(container) if {
	lib.auto_updated(container.auto_update)
	time.parse_rfc3339_ns(container.image_now.built_at) > time.parse_rfc3339_ns(input.auto_update.started_at)
}
