package stackpolicy.lib

# standing is since when findings of an invariant, of any of the cases, have
# stood without a break, by what earlier audits saw of the subject. It is
# undefined where the last audit saw none.
standing(history, invariant, cases) := min([[time.parse_rfc3339_ns(finding.since), finding.since] |
	some finding in history.findings
	finding.invariant == invariant
	finding.case in cases
])[1]

# overdue is true for a finding that has stood since then and waited longer
# for its heal than the invariant's grace period.
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

# failed is true where heals that findings of an invariant asked for did not
# help, within the last day.
failed(history, invariant) if {
	some heal in history.heals
	heal.invariant == invariant
	heal.failed_24h > 0
}
