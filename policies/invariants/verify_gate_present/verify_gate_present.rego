# METADATA
# title: a stack's oneshot has a verify step and a finite start timeout, and its stop keeps what a failing start should
# description: |
#   Without an ExecStartPost= that can fail, a start succeeds as soon as the compose
#   command returns, and podman auto-update counts that as a working update. A
#   oneshot's start timeout is infinite unless it is set (systemd.service(5),
#   TimeoutStartSec=), so an activation would wait for ever for a verify that hangs.
#   For a restart, systemd runs ExecStop= and ExecStopPost= before anything else (seen
#   on 252 and 257). If they take the containers down, a preflight that fails comes too
#   late. stackctl down leaves them on a restart. Without a step that can refuse the
#   start, nothing could be kept.
# schemas:
#   - input: schema.facts
# custom:
#   class: stack
#   severity: ticket
#   needs: [units.loaded]
#   actions: []
#   runbook: verify_gate_present.md
package stackpolicy.invariants.verify_gate_present

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s has no ExecStartPost= whose failure would fail its start", [unit.name]),
	"evidence": {
		"case": "no-verify",
		"path": unit.loaded.fragment_path,
		"expected": "an ExecStartPost= without the prefix -",
		"found": found(count(unit.loaded.exec_start_post)),
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
	unit.loaded.type == "oneshot"
	gates := [command.path | some command in unit.loaded.exec_start_post; not command.ignore_failure]
	count(gates) == 0
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s may take for ever to start: its TimeoutStartSec= is infinite", [unit.name]),
	"evidence": {
		"case": "infinite-timeout",
		"path": unit.loaded.fragment_path,
		"expected": "a finite TimeoutStartSec=",
		"found": "infinity",
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.stack != ""
	unit.loaded.type == "oneshot"
	unit.loaded.timeout_start_sec <= 0
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("each restart of %s runs %s before its preflight can refuse the start", [unit.name, command.stops_containers]),
	"evidence": {
		"case": "teardown",
		"path": unit.loaded.fragment_path,
		"expected": "ExecStop=stackctl down STACK, or none",
		"found": command.stops_containers,
	},
} if {
	some unit in input.units
	some command in unit.loaded.exec_stop
	command.stops_containers != "" # few do: saves the rest
	unit.managed_by != ""
	unit.stack != ""
	unit.loaded.type == "oneshot"
	not unit.quadlet
	unit.name in can_refuse
}

# can_refuse are the units with a step that can end a start before the containers change.
can_refuse contains unit.name if {
	some unit in input.units
	some command in unit.loaded.exec_start_pre
	not command.ignore_failure
}

can_refuse contains unit.name if {
	some unit in input.units
	some command in unit.loaded.exec_start
	regex.match(`(^|/)stackctl$`, command.path)
}

found(0) := "none"

found(commands) := sprintf("%d, whose failures are all ignored", [commands]) if commands > 0
