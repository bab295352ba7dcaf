# METADATA
# title: every waiver is in force, for a year at most, and names units that exist
# description: |
#   A waiver in settings.yaml that has expired waives nothing any more: its
#   findings count again, and the waiver should be renewed or removed. One that
#   lasts longer than a year should be a rule. One for a unit that does not exist
#   waives nothing: the name may be misspelt, or the waiver waits for the next
#   unit of that name. This invariant cannot be waived.
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

# left is how much longer a waiver is in force, in nanoseconds.
left(waiver) := time.parse_rfc3339_ns(waiver.until) - time.parse_rfc3339_ns(input.collected_at)

year := ((366 * 24) * 3600) * 1000000000

# idle are the patterns of each waiver that match no unit, where the units are
# known.
idle[i] := [pattern |
	input.declared
	input.manager
	some pattern in waiver.units
	not pattern in subjects
	not lib.matches_some(pattern, subjects)
] if {
	some i, waiver in data.settings.waivers
}

subjects contains "host"

subjects contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
}

subjects contains name if some name in input.manager.failed_without_file
