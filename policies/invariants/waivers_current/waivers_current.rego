# METADATA
# title: every waiver is in force, for a year at most, and names units that exist
# description: |
#   A waiver in settings.yaml that has expired waives nothing any more: what it
#   waived counts again, and the waiver itself is to be renewed or removed. One
#   that lasts longer than a year is a rule in disguise. One for a unit that
#   does not exist waives nothing, which a misspelt name does too, and waits for
#   the next unit of that name. Nothing waives this invariant.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: host
#   severity: ticket
#   needs: []
#   optional: [manager, declared]
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
		"idle": idle(waiver),
		"reason": waiver.reason,
		"owner": waiver.owner,
		"until": waiver.until,
	},
} if {
	some waiver in data.settings.waivers
	some case, message in problems(waiver)
}

problems(waiver) := {"expired": sprintf("the waiver of %s expired at %s", [waiver.invariant, waiver.until])} if {
	expired(waiver)
}

problems(waiver) := object.union(too_long(waiver), names_nothing(waiver)) if not expired(waiver)

default too_long(_) := {}

too_long(waiver) := {"too-long": message} if {
	left(waiver) > year
	message := sprintf("the waiver of %s lasts until %s, longer than a year", [waiver.invariant, waiver.until])
}

default names_nothing(_) := {}

names_nothing(waiver) := {"idle": message} if {
	pattern := idle(waiver)[0]
	message := sprintf("the waiver of %s names no unit that exists: %s", [waiver.invariant, pattern])
}

expired(waiver) if left(waiver) <= 0

# left is how long a waiver is in force yet, in nanoseconds.
left(waiver) := time.parse_rfc3339_ns(waiver.until) - time.parse_rfc3339_ns(input.collected_at)

year := ((366 * 24) * 3600) * 1000000000

# idle are the patterns that match nothing, where it is known what there is.
idle(waiver) := [pattern |
	input.declared
	input.manager
	some pattern in waiver.units
	not pattern in subjects
	not matches_some(pattern)
]

matches_some(pattern) if {
	some name in subjects
	lib.matches_any(name, [pattern])
}

subjects contains "host"

subjects contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
}

subjects contains name if some name in input.manager.failed_without_file
