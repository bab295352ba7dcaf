package stackpolicy.lib

# standing is the time since when findings of an invariant, with any of the cases,
# have been open for the subject. It is undefined if the last audit had none.
standing(history, invariant, cases) := min([[time.parse_rfc3339_ns(finding.since), finding.since] |
	some finding in history.findings
	finding.invariant == invariant
	finding.case in cases
])[1]

# overdue is true for a finding that has been open since then, if that is longer than
# the invariant's grace period.
overdue(since, now, invariant) if {
	waited := time.parse_rfc3339_ns(now) - time.parse_rfc3339_ns(since)
	waited > time.parse_duration_ns(grace(invariant))
}

# grace is an invariant's grace period, e.g. 15m.
default grace(_) := "15m"

# METADATA
# scope: rule
# schemas:
#   - data.settings: schema.settings
grace(invariant) := data.settings.grace[invariant]

# failed is true if a heal that findings of an invariant requested failed or did not
# help within the last 24 hours.
failed(history, invariant) if {
	some heal in history.heals
	heal.invariant == invariant
	heal.failed_24h > 0
}
