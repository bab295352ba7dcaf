# METADATA
# title: a stack's oneshot has a verify step and a finite start timeout
# description: |
#   Without an ExecStartPost= that can fail, a start succeeds as soon as the compose
#   command returns, and podman auto-update counts that as a working update. A
#   oneshot's start timeout is infinite unless it is set (systemd.service(5),
#   TimeoutStartSec=), so an activation would wait for ever for a verify that hangs.
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

found(0) := "none"

found(commands) := sprintf("%d, whose failures are all ignored", [commands]) if commands > 0
