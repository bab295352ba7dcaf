# METADATA
# title: a managed unit is not failed
# description: |
#   A failed oneshot means that the last apply failed, not that the stack is down:
#   containers of the previous start may still run (systemd.service(5): a failing
#   ExecStartPre= fails the unit). So it is a page if a container is down, if there
#   are no containers, or if a service has too few; otherwise a ticket. The audit's
#   own service ends with status 2 if it found a page, and with 3 if it could not
#   collect or decide: that is a result of the audit, not a failure. An ExecReload=
#   that fails leaves the unit active (systemd.service(5)), with what it read before.
#   A start or stop without a time limit never fails: it is reported after 15 minutes, or
#   a minute after the limit of the start, and a job (a oneshot that does not stay active)
#   after a day.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: page
#   needs: [units.loaded]
#   optional: [units.containers, units.services, units.applied]
#   actions: []
#   runbook: unit_not_failed.md
#   running: true
package stackpolicy.invariants.unit_not_failed

import data.stackpolicy.lib

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": severity,
	"message": sprintf("%s failed (%s): %s", [unit.name, unit.loaded.result, says]),
	"evidence": {
		"case": case,
		"path": unit.loaded.fragment_path,
		"expected": "not failed",
		"found": unit.loaded.result,
		"exit_status": unit.loaded.exec_main_status,
		"down": sort(parts.down),
		"missing": sort(parts.missing),
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.active_state == "failed"
	not verdict_of_audit(unit.name, unit.loaded.result, unit.loaded.exec_main_status)

	containers := [container | some container in lib.of_services(unit); not container.infra]
	parts := parts_of(containers, object.get(unit, "services", []))
	of_containers := judge(stack(unit), count(parts.running), count(parts.down) + count(parts.missing), count(parts.done))
	case := undone(unit, of_containers)
	[severity, says] := description(unit, case)
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("the last reload of %s failed (%s): it may still use its earlier configuration", [unit.name, result]),
	"evidence": {"case": "reload-failed", "path": unit.loaded.fragment_path, "expected": "success", "found": result},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.active_state == "active"
	result := unit.loaded.reload_result
	result != "success"
}

# A start or a stop that systemd does not end, as its time limit is infinite.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": hanging_severity(unit),
	"message": sprintf("%s is %s (%s) since %s, and does not get further", [
		unit.name,
		unit.loaded.active_state,
		unit.loaded.sub_state,
		unit.loaded.state_change,
	]),
	"evidence": {
		"case": "hangs",
		"path": unit.loaded.fragment_path,
		"expected": "active or inactive",
		"found": unit.loaded.active_state,
		"sub_state": unit.loaded.sub_state,
		"since": unit.loaded.state_change,
	},
} if {
	some unit in input.units
	unit.loaded.active_state in passing # few are: saves the rest
	unit.managed_by != ""
	not startswith(unit.loaded.sub_state, "auto-restart") # unit_not_flapping's and stack_running's
	lasted := time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(unit.loaded.state_change)
	lasted > may_take(unit.loaded)
}

# passing are the states that a unit leaves by itself. Cleaning is maintenance.
passing := {"activating", "deactivating", "reloading", "refreshing", "maintenance"}

# may_take is how long a start or stop may take, in nanoseconds. A oneshot that does not stay
# active is a job, such as a backup: it is activating while it works.
may_take(loaded) := time.parse_duration_ns("24h") if {
	is_job(loaded)
} else := max([time.parse_duration_ns("15m"), (loaded.timeout_start_sec + 60) * 1000000000])

is_job(loaded) if {
	loaded.active_state == "activating"
	loaded.type == "oneshot"
	not loaded.remain_after_exit
}

# stack_running reports what is missing of a stack.
hanging_severity(unit) := "page" if {
	unit.loaded.wanted_by != []
	unit.stack == ""
	not is_job(unit.loaded)
} else := "ticket"

# undone distinguishes a stack that runs after a rollback from one that was left running.
undone(unit, case) := "rolled-back" if {
	case == "still-running"
	unit.applied.rolled_back
} else := case

description(unit, case) := ["ticket", sprintf("it was rolled back and runs what was applied before: %s", [why])] if {
	case == "rolled-back"
	why := unit.applied.rolled_back.message
} else := verdict[case]

parts_of(containers, services) := {
	"running": [container.name | some container in containers; container.state == "running"],
	"down": [container.name | some container in containers; lib.container_problem(container, services)],
	"missing": [service.name | some service in services; not service.one_shot; lib.too_few(service, containers)],
	"done": [container.name |
		some container in containers
		lib.one_shot(container, services)
		lib.one_shot_done(container, services)
	],
}

verdict_of_audit("stackpolicy-audit.service", "exit-code", status) if status in {2, 3}

# A sink that is down changes no verdict.
verdict_of_audit("stackpolicy-alerts.service", "exit-code", status) if status in {1, 3}

# stack is empty for a unit without one. If the containers are not known, the unit is judged
# alone: it has failed, whatever runs.
stack(unit) := unit.stack if input.collectors.podman.ok

stack(_) := "" if not input.collectors.podman.ok

judge("", 0, _, _) := "failed"

judge(stack, 0, 0, 0) := "down" if stack != ""

judge(stack, 0, down, _) := "down" if {
	stack != ""
	down > 0
}

judge(stack, 0, 0, done) := "done-before" if {
	stack != ""
	done > 0
}

judge(_, running, 0, _) := "still-running" if running > 0

judge(_, running, down, _) := "partly-down" if {
	running > 0
	down > 0
}

verdict := {
	"failed": ["page", "it does not run"],
	"down": ["page", "no container of its stack runs"],
	"partly-down": ["page", "some containers of its stack are down"],
	"still-running": ["ticket", "the last apply failed, the stack still runs"],
	"done-before": ["ticket", "the last apply failed, its one-shots were done before"],
}
