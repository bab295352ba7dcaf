# METADATA
# title: an active stack has all its containers running, and healthy where they have a health check
# description: |
#   An active oneshot only means that a command returned, not that the stack is up
#   (systemd.service(5), Type=oneshot with RemainAfterExit=). So the rule checks
#   every container of an active unit, and that every service that stackctl recorded
#   has its containers. A one-shot container that exited with 0 is not reported. The
#   record says what is a one-shot; without a record the restart policy does. But
#   without a record, a stack in which nothing else runs is down, because podman
#   stop ends many programs with 0. A unit that waits for its next automatic restart
#   is never failed. A health check that no longer runs, because its timer is gone or
#   its interval is disabled, keeps its last result: it is reported if there is no
#   result for longer than its own settings allow. A start or a stop that takes
#   longer than 15 minutes and its own limit is judged like an active unit. A container that
#   ended before a start began, as all do with the machine, is that start's to bring back.
#   One that is stopping or being removed is a ticket, and a page after five minutes; one
#   that is paused, as a backup does it, after fifteen, and its unit is not restarted. While
#   stackctl verifies, containers that are not ready yet are reported too, in any
#   state of the unit.
#   Where stackctl recorded nothing, the services are those of the compose file that the
#   configuration names. If these changed since the unit started, a service that has no
#   container may not be applied yet: a ticket. If the record cannot be read and nothing
#   else names the services, a missing container cannot be noticed: unknown.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: stack
#   severity: page
#   needs: [units.loaded, units.containers]
#   optional: [units.services, units.applied, units.history]
#   actions: [restart]
#   runbook: stack_running.md
#   running: true
package stackpolicy.invariants.stack_running

import data.stackpolicy.lib

# Only if settings.yaml opts in. To alert instead, also make it a page.
finding contains {
	"subject": p.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": p.message,
	"evidence": p.evidence,
	"action": "restart",
} if {
	some p in problem
	p.subject in restart_wanted
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": severity(p),
	"message": p.message,
	"evidence": p.evidence,
} if {
	some p in problem
	not p.subject in restart_wanted
}

severity(p) := "ticket" if {
	p.evidence.case == "retrying"
} else := "ticket" if {
	passes(p)
} else := "page"

# may_last has the cases that are over after a while, unless something is wrong.
may_last := {"in-transit": 5 * one_minute, "paused": quarter_of_an_hour}

# stuck are the units, each with the case, in which such a case has lasted for too long.
stuck contains [unit.name, case] if {
	some case, limit in may_last
	some unit in stacks
	since := lib.standing(unit.history, "stack_running", {case})
	time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(since) > limit
}

# A service of compose files that changed since the unit started, and that stackctl
# has no record of: it may be new, and not applied yet.
finding contains {
	"subject": m.unit,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s: service %s has %d of %d containers; compose files changed since the unit started", [
		m.unit,
		m.service,
		m.have,
		m.want,
	]),
	"evidence": {"case": "not-applied", "service": m.service, "expected": m.want, "found": m.have},
} if {
	some m in missing
	m.from == "changed-files"
}

# A stack whose services are not known, so that a missing container is not noticed.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "unknown",
	"message": sprintf("%s: cannot be verified whether a container is missing: %s", [unit.name, why.reason]),
	"evidence": object.union({"case": why.case}, why.evidence),
} if {
	some unit in unlisted
	in_effect(unit)
	why := unknown_services(unit)
}

unknown_services(unit) := {"case": "gap", "reason": collector.error, "evidence": {"collector": "applied"}} if {
	collector := input.collectors.applied
	not collector.ok
} else := {"case": "record-unreadable", "reason": unit.applied.error, "evidence": {"error": unit.applied.error}} if {
	unit.applied.state == "unreadable"
}

# counted are the containers that do a stack's work. A pod's own container does not, except
# where there is no other: podman names the unit of a quadlet's pod on that one alone. One
# that compose run made ends when it likes.
counted(unit) := others if {
	others := [container | some container in lib.of_services(unit); not container.infra]
	others != []
} else := lib.of_services(unit)

restart_wanted contains p.subject if {
	some p in problem
	p.active_state == "active"
	lib.matches_any(p.subject, data.settings.restart)
	not p.subject in refused
	not p.subject in paused
	not passes(p)
}

passes(p) if {
	p.evidence.case in object.keys(may_last)
	not [p.subject, p.evidence.case] in stuck
}

# paused are the units with a container that somebody paused, as a backup does.
paused contains unit.name if {
	some unit in stacks
	some container in unit.containers
	container.state == "paused"
}

# refused are the units whose preflight would refuse a start. A restart would only stop them.
refused contains unit.name if {
	some unit in stacks
	lib.cannot_apply(unit)
}

stacks := [unit |
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
]

# unlisted are the stacks whose services are not known.
unlisted := [unit |
	some unit in stacks
	services(unit) == []
]

# waiting are the stacks that wait for their next start.
waiting := [unit |
	some unit in stacks
	startswith(unit.loaded.sub_state, "auto-restart")
]

# A container that does not do its work.
problem contains {
	"subject": unit.name,
	"active_state": unit.loaded.active_state,
	"message": sprintf("%s: container %s %s", [unit.name, container.name, says]),
	"evidence": {
		"case": case,
		"container": container.name,
		"service": container.service,
		"expected": expected(container, services(unit)),
		"found": container.state,
		"health": container.health,
		"exit_code": container.exit_code,
		"restarts": container.restarts,
		"restart_policy": container.restart_policy,
	},
} if {
	some {"unit": unit, "container": container, "case": case} in fault
	says := describe(case, container.state, container.exit_code)
}

# A service that has fewer containers than it should.
problem contains {
	"subject": m.unit,
	"active_state": m.active_state,
	"message": sprintf("%s: service %s has %d of %d containers", [m.unit, m.service, m.have, m.want]),
	"evidence": {"case": "missing", "service": m.service, "expected": m.want, "found": m.have},
} if {
	some m in missing
	m.from != "changed-files"
}

missing contains {
	"unit": unit.name,
	"active_state": unit.loaded.active_state,
	"from": object.get(unit, "services_from", ""),
	"service": service.name,
	"want": service.containers,
	"have": have,
} if {
	some unit in stacks
	some service in unit.services
	have := lib.too_few(service, unit.containers)
	in_effect(unit)
	not prunable(unit, service)
}

# A stack of which nothing runs. If services are recorded, their findings say more.
problem contains {
	"subject": unit.name,
	"active_state": unit.loaded.active_state,
	"message": sprintf("%s is %s, but %s", [unit.name, unit.loaded.active_state, says]),
	"evidence": {"case": case, "expected": "running containers", "found": "none", "stack": unit.stack},
} if {
	some unit in unlisted
	states := [container.state | some container in counted(unit)]
	not "running" in states
	in_effect(unit)
	case := absence(states)
	says := {
		"no-containers": "it has no container at all",
		"none-running": "all its containers have ended",
	}[case]
}

# A unit that systemd starts again and again, without a failed state.
problem contains {
	"subject": unit.name,
	"active_state": unit.loaded.active_state,
	"message": sprintf("%s is down and waits for its next restart (%d so far)", [unit.name, unit.loaded.n_restarts]),
	"evidence": {
		"case": "auto-restart",
		"expected": "active",
		"found": unit.loaded.sub_state,
		"restarts": unit.loaded.n_restarts,
	},
} if {
	some unit in waiting
	not works(unit)
}

# A start that failed and is tried again, for example as its preflight refused. The
# containers of the apply before do their work.
problem contains {
	"subject": unit.name,
	"active_state": unit.loaded.active_state,
	"message": sprintf(
		"%s could not be started and waits for its next try (%d so far); its containers run",
		[unit.name, unit.loaded.n_restarts],
	),
	"evidence": {
		"case": "retrying",
		"expected": "active",
		"found": unit.loaded.sub_state,
		"restarts": unit.loaded.n_restarts,
	},
} if {
	some unit in waiting
	works(unit)
	not unit.verify
}

# works is true if every service that stackctl recorded has its containers, and
# all of them do their work.
works(unit) if {
	services(unit) != []
	every service in unit.services {
		not lib.too_few(service, unit.containers)
	}
	every container in lib.of_services(unit) {
		not lib.container_problem(container, unit.services)
	}
}

fault contains {"unit": unit, "container": container, "case": case} if {
	some unit in stacks
	some container in unit.containers
	not [container.state, container.health] in in_order # most are: saves the rest
	judged(unit.loaded)
	container in counted(unit)
	not unit.verify
	not in_transit(unit, container)
	case := how(container, services(unit))
}

# A container that runs and whose health check no longer runs. While stackctl
# verifies, it waits for the check instead.
fault contains {"unit": unit, "container": container, "case": "unchecked"} if {
	some unit in stacks
	some container in unit.containers
	container.check.overdue # few are: saves the rest
	unit.loaded.active_state in {"active", "activating", "reloading", "refreshing"}
	not container.one_off
	container.health != "unhealthy" # which is a problem already
	not container.infra
	not unit.verify
}

# While stackctl verifies: a start runs it while the unit is activating, and by
# hand the unit may be in any state.
fault contains {"unit": unit, "container": container, "case": case} if {
	some unit in stacks
	unit.verify
	some container in lib.of_services(unit)
	not container.infra
	case := unsettled(container.state, unit.verify, container, services(unit))
}

services(unit) := object.get(unit, "services", [])

in_order := {["running", ""], ["running", "starting"], ["running", "healthy"]}

# judged is true if the containers of a stack should be ready by now.
judged(loaded) if loaded.active_state in {"active", "activating", "reloading", "refreshing"}

judged(loaded) if takes_too_long(loaded)

# in_transit is true for a container that comes or goes with an apply.
in_transit(unit, container) if {
	unit.loaded.active_state != "active"
	container.state in passing
	not takes_too_long(unit.loaded)
}

in_transit(unit, container) if {
	unit.applied.busy
	container.state in passing
}

# Just created, perhaps by hand.
in_transit(_, container) if {
	container.state == "created"
	time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(container.created_at) < one_minute
}

# It ended before this start began, for example with the machine.
in_transit(unit, container) if {
	unit.loaded.active_state == "activating"
	lib.container_ended(container.state)
	ended_before(container, unit.loaded.inactive_exit)
	not takes_too_long(unit.loaded)
}

# A container that the machine took down has no time of its end, or that of an earlier run.
ended_before(container, _) if not container.finished_at

ended_before(container, start) if time.parse_rfc3339_ns(container.finished_at) < time.parse_rfc3339_ns(start)

# States that a container leaves within moments.
passing := {"created", "initialized", "stopping", "removing"}

one_minute := time.parse_duration_ns("1m")

# how names what is wrong with a container in an active stack. One that is about to leave
# its state may only have been seen at the wrong moment: if it stays so, that is a page.
how(container, services) := momentary[container.state] if {
	lib.container_problem(container, services)
} else := case if {
	case := lib.container_problem(container, services)
}

momentary := {"initialized": "in-transit", "stopping": "in-transit", "removing": "in-transit", "paused": "paused"}

# takes_too_long is true for a start or a stop that should have ended. systemd itself
# ends it at its time limit, unless the limit is infinite.
takes_too_long(loaded) if {
	loaded.active_state in {"activating", "deactivating", "reloading", "refreshing"}
	not startswith(loaded.sub_state, "auto-restart")
	lasted := time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(loaded.state_change)
	lasted > max([quarter_of_an_hour, (loaded.timeout_start_sec + 60) * 1000000000])
}

quarter_of_an_hour := time.parse_duration_ns("15m")

# Containers that verify still has to wait for.
unsettled(state, _, container, recorded) := lib.container_problem(container, recorded) if state != "running"

unsettled("running", verify, container, recorded) := "not-done" if {
	lib.one_shot(container, recorded)
} else := case if {
	verify.healthy
	case := lib.container_problem(container, recorded)
} else := "starting" if {
	verify.healthy
	unproven(container, recorded)
} else := "restarted" if {
	container.name in verify.restarted
}

# unproven is true if a health check has no result yet, or is declared but the
# provider did not set it up.
unproven(container, _) if container.health == "starting"

unproven(container, recorded) if {
	container.health == ""
	some service in recorded
	service.name == container.service
	service.health_check
}

# in_effect is true if all parts of a stack should exist by now.
in_effect(unit) if unit.loaded.active_state == "active"

in_effect(unit) if takes_too_long(unit.loaded)

in_effect(unit) if unit.verify

# The container of a one-shot that is done may be gone (podman container prune).
prunable(unit, service) if {
	service.one_shot
	not unit.verify
}

expected(container, recorded) := "exited (0)" if lib.one_shot(container, recorded)

expected(container, recorded) := "running" if not lib.one_shot(container, recorded)

absence([]) := "no-containers"

absence(states) := "none-running" if {
	count(states) > 0
	every state in states {
		lib.container_ended(state)
	}
}

describe("exited", _, exit_code) := sprintf("has exited (%d)", [exit_code])

describe("unhealthy", _, _) := "runs, but is not healthy"

describe("unchecked", _, _) := "runs, but its health check gives no result any more"

describe("restarting", _, _) := "restarts again and again"

describe("not-running", state, _) := sprintf("does not run: %s", [state])

describe("paused", _, _) := "is paused"

describe("in-transit", state, _) := sprintf("is %s", [state])

describe("starting", _, _) := "runs, but its health check has not passed yet"

describe("not-done", _, _) := "is to run to its end, and has not ended yet"

describe("restarted", _, _) := "started again while it was to settle"
