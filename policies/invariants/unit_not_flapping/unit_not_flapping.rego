# METADATA
# title: no managed unit and no container of it restarts again and again
# description: |
#   A unit with Restart=, or a container with a restart policy, that ends again and
#   again is never failed, and usually runs at the moment of an audit
#   (systemd.service(5), Restart=; podman-run(1), --restart). So the rule uses the
#   counters: how many restarts there were since the container was created or the
#   manager started, and whether the present run is shorter than usual. A counter
#   that no longer grows is not reported, nor one that a deployment reset. A stack
#   that waits for its next restart is reported by stack_running.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: page
#   needs: [manager, units.loaded, units.containers]
#   actions: []
#   runbook: unit_not_flapping.md
#   running: true
package stackpolicy.invariants.unit_not_flapping

# A container that its restart policy starts again and again.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf(
		"%s: container %s was restarted %d times in %s, the last time at %s",
		[unit.name, container.name, container.restarts, period(age), container.started_at],
	),
	"evidence": {
		"case": "container",
		"container": container.name,
		"expected": "a container that stays up",
		"found": sprintf("%d restarts", [container.restarts]),
		"restarts": container.restarts,
		"since": container.created_at,
		"last": container.started_at,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	some container in unit.containers
	container.restarts >= few # most have none: saves the rest
	container.state == "running"
	age := since(container.created_at)
	still_going(container.restarts, age, since(container.started_at))
}

# A unit that systemd starts again and again.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf(
		"%s was restarted %d times by systemd, the last time at %s",
		[unit.name, unit.loaded.n_restarts, unit.loaded.active_enter],
	),
	"evidence": {
		"case": "unit",
		"path": unit.loaded.fragment_path,
		"expected": "a unit that stays up",
		"found": sprintf("%d restarts", [unit.loaded.n_restarts]),
		"restarts": unit.loaded.n_restarts,
		"last": unit.loaded.active_enter,
	},
} if {
	some unit in input.units
	unit.loaded.n_restarts >= few # most have none: saves the rest
	unit.managed_by != ""
	unit.loaded.active_state in {"active", "reloading"}
	restarted_often(unit.loaded.n_restarts, since(unit.loaded.active_enter))
}

# A unit that is down and waits for its next restart.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf(
		"%s is down and waits for its next restart (%d so far)",
		[unit.name, unit.loaded.n_restarts],
	),
	"evidence": {
		"case": "waiting",
		"path": unit.loaded.fragment_path,
		"expected": "active",
		"found": unit.loaded.sub_state,
		"restarts": unit.loaded.n_restarts,
		"last": object.get(unit.loaded, "state_change", "never"),
	},
} if {
	some unit in input.units
	startswith(unit.loaded.sub_state, "auto-restart")
	unit.managed_by != ""
	unit.stack == ""
	down_for_long(unit.loaded)
}

# After a single crash the restart is enough. It counts if more crashes follow, or
# if the pause before the restart is long.
down_for_long(loaded) if loaded.n_restarts >= 3

down_for_long(loaded) if since(loaded.state_change) > one_minute

# The restarts happened since the manager started, at the earliest. If that is long
# ago, many restarts and a short present run are enough.
restarted_often(restarts, up) if still_going(restarts, since(input.manager.started_at), up)

restarted_often(restarts, up) if {
	restarts >= 20
	up < ten_minutes
}

# still_going is true if the restarts happened every six hours or more often, and
# the present run is shorter than three usual runs, or than ten minutes.
still_going(restarts, age, up) if {
	restarts >= few
	usual := age / restarts
	usual <= 36 * ten_minutes
	up < max([ten_minutes, 3 * usual])
}

few := 5

one_minute := 60 * 1000000000

ten_minutes := 10 * one_minute

since(at) := time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(at)

# period is a time in words, at least one second.
period(ns) := sprintf("%d days", [floor(ns / (1440 * one_minute))]) if ns >= 2880 * one_minute

period(ns) := sprintf("%d minutes", [floor(ns / one_minute)]) if {
	ns >= 2 * one_minute
	ns < 2880 * one_minute
}

period(ns) := sprintf("%d seconds", [max([1, floor((ns * 60) / one_minute)])]) if ns < 2 * one_minute
