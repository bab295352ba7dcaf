# METADATA
# title: every waiver is in force, lasts at most a year, and names units that exist
# description: |
#   A waiver in settings.yaml that has expired no longer waives anything: its
#   findings count again, and it should be renewed or removed. Instead of a waiver
#   for longer than a year, change the rule. A waiver for a unit that does not exist
#   waives nothing: the name may be misspelt, or it will waive the next unit of that
#   name. So is an entry of settings.decide that names no unit. A hold that has ended while the stack's unit is still down may have been
#   forgotten. This invariant cannot be waived.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: host
#   severity: ticket
#   needs: []
#   optional: [manager, declared, units.loaded, units.history]
#   actions: []
#   runbook: waivers_current.md
package stackpolicy.invariants.waivers_current

import data.stackpolicy.lib

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": message,
	"evidence": {
		"case": case,
		"invariant": waiver.invariant,
		"units": waiver.units,
		"idle": patterns,
		"reason": waiver.reason,
		"owner": waiver.owner,
		"until": waiver.until,
	},
} if {
	some i, waiver in data.settings.waivers
	patterns := idle[i]
	some case, message in problems(waiver, patterns)
}

# An entry of settings.decide is for units that do not exist.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("settings.decide has an entry of %s for no unit that exists: %s", [entry.invariant, patterns[0]]),
	"evidence": {"case": "decide-idle", "invariant": entry.invariant, "units": entry.units, "idle": patterns},
} if {
	some entry in data.settings.decide
	patterns := without_unit(entry.units)
	count(patterns) > 0
}

# Planned maintenance is over, and the unit of a stack did not come back.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("the hold of %s ended at %s, and it is still %s", [unit.name, hold.until, state]),
	"evidence": {
		"case": "hold-ended",
		"expected": "active",
		"found": state,
		"reason": hold.reason,
		"owner": hold.owner,
		"until": hold.until,
	},
} if {
	some unit in input.units
	some hold in unit.history.exemptions # few have one: saves the rest
	unit.managed_by != ""
	unit.stack != ""
	stays_active(unit.loaded)
	state := unit.loaded.active_state
	state in {"inactive", "failed"}
	hold.invariant == ""
	expired(hold)
}

# A oneshot that does not stay active is inactive when it is done.
stays_active(loaded) if loaded.remain_after_exit

stays_active(loaded) if loaded.type != "oneshot"

problems(waiver, _) := {"expired": sprintf("the waiver of %s expired at %s", [waiver.invariant, waiver.until])} if {
	expired(waiver)
}

problems(waiver, patterns) := object.union(too_long(waiver), names_nothing(waiver, patterns)) if {
	not expired(waiver)
}

default too_long(_) := {}

too_long(waiver) := {"too-long": message} if {
	left(waiver) > year
	message := sprintf("the waiver of %s lasts until %s, longer than a year", [waiver.invariant, waiver.until])
}

default names_nothing(_, _) := {}

names_nothing(waiver, patterns) := {"idle": message} if {
	message := sprintf("the waiver of %s names no unit that exists: %s", [waiver.invariant, patterns[0]])
}

expired(waiver) if left(waiver) <= 0

# left is how much longer a waiver will be in force, in nanoseconds.
left(waiver) := time.parse_rfc3339_ns(waiver.until) - time.parse_rfc3339_ns(input.collected_at)

year := ((366 * 24) * 3600) * 1000000000

idle[i] := without_unit(waiver.units) if some i, waiver in data.settings.waivers

# without_unit has the patterns that match no unit, if the units are known.
without_unit(patterns) := [pattern |
	input.declared
	input.manager
	some pattern in patterns
	not pattern in subjects
	not lib.matches_some(pattern, subjects)
]

subjects contains "host"

subjects contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
}

subjects contains name if some name in input.manager.failed_without_file
