# METADATA
# title: every finding of every invariant
# description: |
#   The router. It has no list of invariants: it evaluates every package below
#   invariants/ that has a rule named finding. With a stock OPA:
#     opa eval -d policies -i facts.json data.stackpolicy.findings
#   That prints what the rules found, and ignores sections that are missing from
#   the facts. Only the stackpolicy program also blocks an invariant whose needed
#   sections are missing.
package stackpolicy

# METADATA
# title: findings by the id of their invariant
# entrypoint: true
findings[id] := found if {
	some id
	found := data.stackpolicy.invariants[id].finding
}
