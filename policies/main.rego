# METADATA
# title: every finding of every invariant
# description: |
#   The router. It keeps no list: whatever stands below invariants/ and has a
#   rule named finding is asked. With a stock OPA:
#     opa eval -d policies -i facts.json data.stackpolicy.findings
#   That says what the rules saw, and nothing about sections that are missing
#   from the facts: an invariant whose needs are gaps is blocked before its
#   rule is asked, which only the stackpolicy binary does.
package stackpolicy

# METADATA
# title: findings by the id of their invariant
# entrypoint: true
findings[id] := found if {
	some id
	found := data.stackpolicy.invariants[id].finding
}
