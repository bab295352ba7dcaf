package stackpolicy.invariants.no_ghost_failure_test

import data.stackpolicy.invariants.no_ghost_failure as rule
import data.stackpolicy.lib_test as given

# failed is a document in which these units failed without a file.
failed(names, known) := object.union(given.document(known), {"manager": {"failed_without_file": names}})

test_finding if {
	findings := rule.finding with input as failed(["old.service"], [])
	findings == {{
		"subject": "old.service",
		"effect": "heal",
		"severity": "ticket",
		"message": "old.service failed and no longer has a unit file",
		"evidence": {"case": "ghost", "expected": "no such unit", "found": "failed, not-found"},
		"action": "reset-failed",
	}}
}

cases := {
	"holds": {"doc": failed([], [given.unit("web.service", {})]), "want": set()},
	"managed": {"doc": failed(["web.service"], [given.unit("web.service", {})]), "want": set()},
	"known, but unmanaged": {
		"doc": failed(["old.service"], [given.unit("old.service", {"managed_by": ""})]),
		"want": {["old.service", "heal", "ticket", "ghost", "reset-failed"]},
	},
	"several": {
		"doc": failed(["a.service", "web.service", "b.service"], [given.unit("web.service", {})]),
		"want": {
			["a.service", "heal", "ticket", "ghost", "reset-failed"],
			["b.service", "heal", "ticket", "ghost", "reset-failed"],
		},
	},
	"manager missing": {"doc": given.without(failed(["a.service"], []), ["manager"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
