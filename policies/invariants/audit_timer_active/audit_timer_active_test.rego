package stackpolicy.invariants.audit_timer_active_test

import data.stackpolicy.invariants.audit_timer_active as rule
import data.stackpolicy.lib_test as given

timed(timer) := object.union(given.document([]), {"manager": {"audit_timer": timer}})

test_finding if {
	findings := rule.finding with input as timed({"load_state": "not-found", "active_state": "inactive"})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "stackpolicy-audit.timer is not installed: audits only run by hand",
		"evidence": {"case": "not-installed", "expected": "active", "found": "inactive"},
	}}
}

cases := {
	"holds": {"doc": given.document([]), "want": set()},
	"stopped": {
		"doc": timed({"load_state": "loaded", "active_state": "failed"}),
		"want": {["host", "block", "ticket", "stopped"]},
	},
	"elapsed": {
		"doc": timed({"sub_state": "elapsed"}),
		"want": {["host", "block", "ticket", "elapsed"]},
	},
	"masked while it runs": {
		"doc": timed({"load_state": "masked"}),
		"want": {["host", "block", "ticket", "last-run"]},
	},
	"removed while it runs": {
		"doc": timed({"load_state": "not-found"}),
		"want": {["host", "block", "ticket", "last-run"]},
	},
	"waiting": {"doc": timed({"sub_state": "waiting"}), "want": set()},
	"masked": {
		"doc": timed({"load_state": "masked", "active_state": "inactive"}),
		"want": {["host", "block", "ticket", "masked"]},
	},
	"unknown": {
		"doc": timed({"load_state": "", "active_state": ""}),
		"want": {["host", "block", "ticket", "not-installed"]},
	},
	"manager missing": {"doc": given.without(given.document([]), ["manager"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
