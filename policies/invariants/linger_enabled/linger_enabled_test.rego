package stackpolicy.invariants.linger_enabled_test

import data.stackpolicy.invariants.linger_enabled as rule
import data.stackpolicy.lib_test as given

test_finding if {
	findings := rule.finding with input as object.union(given.document([]), {"user": {"linger": false}})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "page",
		"message": "linger is off for ada: the stacks stop with the last session",
		"evidence": {"case": "off", "user": "ada", "expected": "on", "found": "off"},
	}}
}

test_no_finding[name] if {
	some name, doc in {
		"holds": given.document([]),
		"user missing": given.without(given.document([]), ["user"]),
	}
	findings := rule.finding with input as doc
	findings == set()
}
