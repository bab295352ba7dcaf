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

down := {"path": "/bin/podman-compose", "ignore_failure": false, "stops_containers": "podman-compose down"}

preflight := {"path": "/bin/check", "ignore_failure": false}

by_hand := [{"path": "/bin/podman-compose", "ignore_failure": false}]

test_teardown if {
	findings := rule.finding with input as given.document([gate("web.service", {"exec_stop": [down]})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "each restart of web.service runs podman-compose down before its preflight can refuse the start",
		"evidence": {
			"case": "teardown", "path": given.in_user_dir("web.service"),
			"expected": "ExecStop=stackctl down STACK, or none", "found": "podman-compose down",
		},
	}}
}

bare := {"exec_start_post": [], "timeout_start_sec": -1}

cases := {
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"one of two counts": {
		"units": [gate("web.service", {"exec_start_post": [ignored, {"path": "/bin/v", "ignore_failure": false}]})],
		"want": set(),
	},
	"no oneshot": {"units": [gate("web.service", object.union(bare, {"type": "notify"}))], "want": set()},
	"teardown, with a preflight of its own": {
		"units": [gate("web.service", {"exec_start": by_hand, "exec_start_pre": [preflight], "exec_stop": [down]})],
		"want": {["web.service", "block", "ticket", "teardown"]},
	},
	"teardown, and nothing can refuse": {
		"units": [gate("web.service", {"exec_start": by_hand, "exec_stop": [down]})],
		"want": set(),
	},
	"teardown, and the preflight's failure is ignored": {
		"units": [gate("web.service", {
			"exec_start": by_hand, "exec_stop": [down],
			"exec_start_pre": [object.union(preflight, {"ignore_failure": true})],
		})],
		"want": set(),
	},
	"stackctl down": {
		"units": [gate("web.service", {"exec_stop": [object.union(down, {"path": "/bin/stackctl", "stops_containers": ""})]})],
		"want": set(),
	},
	"no ExecStop": {"units": [gate("web.service", {"exec_start_pre": [preflight]})], "want": set()},
	"teardown of a quadlet": {
		"units": [object.union(gate("web.service", {"exec_stop": [down]}), {"quadlet": true})],
		"want": set(),
	},
	"teardown of a service that is no oneshot": {
		"units": [gate("web.service", {"type": "notify", "exec_stop": [down]})],
		"want": set(),
	},
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
