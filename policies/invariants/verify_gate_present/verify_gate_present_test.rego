package stackpolicy.invariants.verify_gate_present_test

import data.stackpolicy.invariants.verify_gate_present as rule
import data.stackpolicy.lib_test as given

gate(name, loaded) := given.unit(name, {"loaded": loaded})

ignored := {"path": "/bin/stackctl", "ignore_failure": true}

test_no_verify if {
	findings := rule.finding with input as given.document([gate("web.service", {"exec_start_post": []})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service has no ExecStartPost= whose failure would fail its start",
		"evidence": {
			"case": "no-verify", "path": given.in_user_dir("web.service"),
			"expected": "an ExecStartPost= without the prefix -", "found": "none",
		},
	}}
}

test_infinite_timeout if {
	findings := rule.finding with input as given.document([gate("web.service", {"timeout_start_sec": -1})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service may take for ever to start: its TimeoutStartSec= is infinite",
		"evidence": {
			"case": "infinite-timeout", "path": given.in_user_dir("web.service"),
			"expected": "a finite TimeoutStartSec=", "found": "infinity",
		},
	}}
}

test_says_when_failures_are_ignored if {
	findings := rule.finding with input as given.document([gate("web.service", {"exec_start_post": [ignored]})])
	{finding.evidence.found | some finding in findings} == {"1, whose failures are all ignored"}
}

bare := {"exec_start_post": [], "timeout_start_sec": -1}

cases := {
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"one of two counts": {
		"units": [gate("web.service", {"exec_start_post": [ignored, {"path": "/bin/v", "ignore_failure": false}]})],
		"want": set(),
	},
	"no oneshot": {"units": [gate("web.service", object.union(bare, {"type": "notify"}))], "want": set()},
	"no stack": {"units": [object.union(gate("web.service", bare), {"stack": ""})], "want": set()},
	"unmanaged": {"units": [object.union(gate("web.service", bare), {"managed_by": ""})], "want": set()},
	"a template": {"units": [given.template("web@.service", {})], "want": set()},
	"several": {
		"units": [
			gate("a.service", {"exec_start_post": []}), given.unit("b.service", {}),
			gate("c.service", bare),
		],
		"want": {
			["a.service", "block", "ticket", "no-verify"],
			["c.service", "block", "ticket", "no-verify"],
			["c.service", "block", "ticket", "infinite-timeout"],
		},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
