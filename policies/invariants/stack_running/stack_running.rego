# METADATA
# title: an active stack has all its containers running, and healthy where they have a health check
# description: |
#   A oneshot that returned says that a command returned, not that the stack is
#   up (systemd.service(5), Type=oneshot with RemainAfterExit=). So every
#   container of an active unit is looked at. A one-shot that exited 0 is right,
#   but a stack of nothing else is down: podman stop ends many programs with 0.
#   A unit that waits for its next automatic restart never reads failed.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: stack
#   severity: page
#   needs: [units.loaded, units.containers]
#   actions: [restart]
#   runbook: stack_running.md
package stackpolicy.invariants.stack_running

import data.stackpolicy.lib

# Only where settings.yaml opts in. To alert instead, also make it a page.
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
	"severity": "page",
	"message": p.message,
	"evidence": p.evidence,
} if {
	some p in problem
	not p.subject in restart_wanted
}

restart_wanted contains p.subject if {
	some p in problem
	p.active_state == "active"
	lib.matches_any(p.subject, data.settings.restart)
}

# A container that does not do its work.
problem contains {
	"subject": unit.name,
	"active_state": unit.loaded.active_state,
	"message": sprintf("%s: container %s %s", [unit.name, container.name, says]),
	"evidence": {
		"case": case,
		"container": container.name,
		"expected": "running",
		"found": container.state,
		"health": container.health,
		"exit_code": container.exit_code,
		"restarts": container.restarts,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
	active_state := unit.loaded.active_state
	active_state in {"active", "activating", "reloading", "refreshing"}
	some container in unit.containers
	not container.infra
	[container.state, container.health] != ["running", "healthy"] # most are: saves the rest
	not in_transit(active_state, container.state)
	case := lib.container_problem(container.state, container.health, container.exit_code, container.restart_policy)
	says := describe(case, container.state, container.exit_code)
}

# An active stack of which nothing runs.
problem contains {
	"subject": unit.name,
	"active_state": "active",
	"message": sprintf("%s is active, but %s", [unit.name, says]),
	"evidence": {"case": case, "expected": "running containers", "found": "none", "stack": unit.stack},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
	unit.loaded.active_state == "active"
	states := [container.state | some container in unit.containers; not container.infra]
	not "running" in states
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
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
	startswith(unit.loaded.sub_state, "auto-restart")
}

# While an apply runs, containers come and go.
in_transit(active_state, state) if {
	active_state != "active"
	state in {"created", "initialized", "stopping", "removing"}
}

absence([]) := "no-containers"

absence(states) := "none-running" if {
	count(states) > 0
	every state in states {
		lib.container_ended(state)
	}
}

describe("exited", _, exit_code) := sprintf("has exited (%d)", [exit_code])

describe("unhealthy", _, _) := "runs, but is not healthy"

describe("restarting", _, _) := "restarts again and again"

describe("not-running", state, _) := sprintf("does not run: %s", [state])
