package stackpolicy.invariants.new_invariant_test

import data.stackpolicy.invariants.new_invariant as rule
import data.stackpolicy.lib_test as given

# in_state is a document with one unit that is loaded so.
in_state(state, changes) := given.document([given.unit("web.service", object.union(
	{"loaded": {"load_state": state}},
	changes,
))])

test_finding if {
	findings := rule.finding with input as in_state("bad-setting", {})
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"message": "systemd refuses a setting of web.service",
		"evidence": {"case": "bad-setting", "expected": "loaded", "found": "bad-setting"},
	}}
}

test_no_finding[name] if {
	some name, doc in {
		"loaded": in_state("loaded", {}),
		"unmanaged": in_state("bad-setting", {"managed_by": ""}),
		"not collected": given.document([object.remove(given.unit("web.service", {}), ["loaded"])]),
	}
	findings := rule.finding with input as doc
	findings == set()
}
