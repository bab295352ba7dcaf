# METADATA
# title: every probe of a running stack answers as it should
# description: |
#   A container that runs, and even its health check, do not prove that users can
#   reach the service: perhaps a port is not published, a proxy answers 502 or a
#   certificate has ended. So the probes of the configuration are sent from the
#   host. A probe counts while the unit is active, or failed with containers that
#   run. In the first minute after a start it only counts for stackctl verify, which
#   waits for it. A certificate that ends within a week is a ticket.
# schemas:
#   - input: schema.facts
# custom:
#   class: stack
#   severity: page
#   needs: [units.loaded, units.probes]
#   optional: [units.containers]
#   actions: []
#   runbook: probes_answer.md
#   running: true
package stackpolicy.invariants.probes_answer

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s: %s: %s, expected %s", [unit.name, probe.target, probe.error, probe.expected]),
	"evidence": {
		"case": case,
		"kind": probe.kind,
		"target": probe.target,
		"expected": probe.expected,
		"found": probe.error,
	},
} if {
	some {"unit": unit, "probe": probe} in asked
	not probe.ok
	case := trouble(probe.kind, probe.status)
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s: the certificate of %s ends at %s", [unit.name, probe.target, probe.certificate_end]),
	"evidence": {
		"case": "certificate-ends",
		"kind": probe.kind,
		"target": probe.target,
		"expected": "a certificate that is valid for 7 days or more",
		"found": probe.certificate_end,
	},
} if {
	some {"unit": unit, "probe": probe} in asked
	probe.ok
	left := time.parse_rfc3339_ns(probe.certificate_end) - time.parse_rfc3339_ns(input.collected_at)
	left < time.parse_duration_ns("168h")
}

asked contains {"unit": unit, "probe": probe} if {
	some unit in input.units
	unit.managed_by != ""
	unit.probes != [] # most have none: saves the rest
	is_up(unit)
	some probe in unit.probes
}

# stackctl verify runs while the unit is activating, and waits.
is_up(unit) if unit.verify

is_up(unit) if {
	unit.loaded.active_state == "active"
	not just_started(unit.loaded)
}

# After a failed start, the containers of the previous start continue to run.
is_up(unit) if {
	unit.loaded.active_state == "failed"
	some container in unit.containers
	not container.infra
	container.state == "running"
}

# just_started is true if the start is less than a minute ago.
just_started(loaded) if {
	age := time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(loaded.active_enter)
	age < time.parse_duration_ns("1m")
}

trouble("http", 0) := "no-answer"

trouble("http", status) := "wrong-status" if status > 0

trouble("tcp", _) := "no-connection"
