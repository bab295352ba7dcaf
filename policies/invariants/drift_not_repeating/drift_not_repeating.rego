# METADATA
# title: the same finding was not healed again and again
# description: |
#   A heal that works and is undone each time hides a fault: something keeps
#   writing the file, or the stack keeps failing. The history counts the heals of
#   every finding; settings.yaml says how many within which window are too many.
#   The cause is only suspected: the file of the unit that changed last within the
#   window. An open breaker means that heals did not help, or were too many, and
#   that nothing is healed until it closes.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: unit
#   severity: ticket
#   needs: [history, units.history]
#   optional: [units.files]
#   actions: []
#   runbook: drift_not_repeating.md
package stackpolicy.invariants.drift_not_repeating

finding contains {
	"subject": r.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf(
		"%s of %s was healed %d times within %s; suspected: %s",
		[r.heal.invariant, r.subject, r.times, window, r.suspect.who],
	),
	"evidence": {
		"case": "repeating",
		"invariant": r.heal.invariant,
		"of": r.heal.case,
		"action": r.heal.action,
		"times": r.times,
		"window": window,
		"last": r.heal.last,
		"suspect": r.suspect.who,
		"path": r.suspect.path,
		"changed_at": r.suspect.changed_at,
	},
} if {
	some r in repeated
}

finding contains {
	"subject": subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("the breaker is open since %s: nothing is healed until %s", [breaker.since, breaker.until]),
	"evidence": {
		"case": "breaker-open",
		"held": subject,
		"since": breaker.since,
		"until": breaker.until,
		"reason": breaker.reason,
	},
} if {
	some subject, breaker in breakers
	time.parse_rfc3339_ns(breaker.until) > time.parse_rfc3339_ns(input.collected_at)
}

breakers["host"] := input.history.breaker

breakers[unit.name] := unit.history.breaker if {
	some unit in input.units
	unit.managed_by != ""
}

# A unit that is not managed, such as a failed one without a file.
breakers[name] := other.breaker if some name, other in input.history.others

repeated contains {"subject": name, "heal": heal, "times": times(heal), "suspect": suspect(heal, {})} if {
	some name, other in input.history.others
	some heal in other.heals
	too_many(heal)
}

repeated contains {"subject": "host", "heal": heal, "times": times(heal), "suspect": suspect(heal, {})} if {
	some heal in input.history.heals
	too_many(heal)
}

repeated contains {"subject": unit.name, "heal": heal, "times": times(heal), "suspect": suspect(heal, unit)} if {
	some unit in input.units
	unit.managed_by != ""
	some heal in unit.history.heals
	too_many(heal)
}

# Counts without an invariant are of all runs of an action.
too_many(heal) if {
	heal.invariant != ""
	times(heal) >= drift
}

default drift := 3

drift := data.settings.repeat.drift

default window := "24h"

window := data.settings.repeat.window

window_ns := time.parse_duration_ns(window)

times(heal) := heal.healed_1h if window_ns <= time.parse_duration_ns("1h")

times(heal) := heal.healed_24h if window_ns > time.parse_duration_ns("1h")

default suspect(_, _) := {"who": "unknown", "path": "", "changed_at": ""}

suspect(heal, _) := {"who": "its containers, or what they are made of", "path": "", "changed_at": ""} if {
	heal.action == "restart"
}

suspect(heal, unit) := {"who": who(file), "path": file.path, "changed_at": file.changed_at} if {
	heal.action == "daemon-reload"
	[changed, file] := max([[time.parse_rfc3339_ns(file.changed_at), file] | some file in unit.files])
	changed > time.parse_rfc3339_ns(input.collected_at) - window_ns
}

# who guesses from the file's place who may have changed it.
who(file) := sprintf("Home Manager's activation, at %s", [file.path]) if declared(file.state)

who(file) := sprintf("%s, at %s", [by_origin(file.origin), file.path]) if not declared(file.state)

declared(state) if state in {"declared", "identical", "other-generation", "pending"}

by_origin(origin) := object.get(
	{
		"control": "systemctl set-property",
		"generator": "a generator",
		"etc": "the system's configuration",
		"distribution": "a package",
	},
	origin, "a program or person that writes to that folder",
)
