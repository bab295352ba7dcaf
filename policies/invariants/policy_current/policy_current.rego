# METADATA
# title: the newest release of rules decides, and its channel can be trusted
# description: |
#   An account that takes its rules from a fleet (fleet.channel in config.yaml) stays on
#   the release that it has if nothing newer comes, if what comes is refused, or if the
#   newest fails here. That is safe, and somebody should know. Nothing is found where no
#   releases are used.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: []
#   optional: [release]
#   actions: []
#   runbook: policy_current.md
package stackpolicy.invariants.policy_current

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("releases of channel %s: %s", [input.release.channel, problem.text]),
	"evidence": evidence(problem.kind, problem.text),
} if {
	problem := input.release.problem
	not passing(problem)
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("release %d of channel %s expires at %s", [input.release.newest, input.release.channel, input.release.expires]),
	"evidence": evidence("ends-soon", input.release.expires),
} if {
	left(input.release.expires) > 0
	left(input.release.expires) < 14 * day
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("release %d of channel %s expired at %s, and nothing newer came", [input.release.newest, input.release.channel, input.release.expires]),
	"evidence": evidence("ended", input.release.expires),
} if {
	left(input.release.expires) <= 0
}

# passing: a hub that does not answer may do so tomorrow.
passing(problem) if {
	problem.kind == "unreachable"
	left(problem.since) > -1 * day
}

evidence(case, found) := {
	"case": case, "channel": input.release.channel, "version": input.release.version,
	"newest": input.release.newest, "expected": "the newest release", "found": found,
}

# left is how long it is until a time, in nanoseconds.
left(at) := time.parse_rfc3339_ns(at) - time.parse_rfc3339_ns(input.collected_at)

day := (24 * 3600) * 1000000000
