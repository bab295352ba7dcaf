# METADATA
# title: the same finding was not healed again and again
# description: |
#   A heal that works and is undone each time hides a fault: something keeps
#   writing the file, or the stack keeps failing. The history counts the heals of
#   every finding; settings.yaml says how many within which window are too many.
#   Something is named as suspect only if it began within the minute before each of
#   the last drifts, of which there are at least three, and does not run all the
#   time: a timer, a service, a change of packages, or Home Manager's activation.
#   Otherwise the cause is unknown. An open breaker means that heals did not help, or were too many, and
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
		"%s of %s was healed %d times within %s; %s",
		[r.heal.invariant, r.subject, r.times, window, cause(suspect(r.heal))],
	),
	"evidence": {
		"case": "repeating",
		"invariant": r.heal.invariant,
		"of": r.heal.case,
		"action": r.heal.action,
		"times": r.times,
		"window": window,
		"last": r.heal.last,
		"suspect": suspect(r.heal),
		"path": r.changed.path,
		"changed_at": r.changed.changed_at,
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

repeated contains {"subject": name, "heal": heal, "times": times(heal), "changed": last_changed(heal, {})} if {
	some name, other in input.history.others
	some heal in other.heals
	too_many(heal)
}

repeated contains {"subject": "host", "heal": heal, "times": times(heal), "changed": last_changed(heal, {})} if {
	some heal in input.history.heals
	too_many(heal)
}

repeated contains {"subject": unit.name, "heal": heal, "times": times(heal), "changed": last_changed(heal, unit)} if {
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

# suspect is what began within the minute before each of the last drifts.
default suspect(_) := "unknown"

suspect(heal) := concat(" or ", names) if {
	times := {drift.at | some drift in heal.drifts}
	count(times) == count(heal.drifts) # each is known, and none is there twice
	count(times) >= 3
	names := intersection({{name(began) | some began in drift.after} | some drift in heal.drifts})
	count(names) in {1, 2}
}

name("home-manager") := "Home Manager's activation"

name("packages") := "a change of packages"

name(began) := began if not began in {"home-manager", "packages"}

cause("unknown") := "the cause is unknown"

cause(who) := sprintf("each time within a minute after %s", [who]) if who != "unknown"

# last_changed is the file of the unit that changed last within the window.
default last_changed(_, _) := {"path": "", "changed_at": ""}

last_changed(heal, unit) := {"path": file.path, "changed_at": file.changed_at} if {
	heal.action == "daemon-reload"
	[changed, file] := max([[time.parse_rfc3339_ns(file.changed_at), file] | some file in unit.files])
	changed > time.parse_rfc3339_ns(input.collected_at) - window_ns
}
