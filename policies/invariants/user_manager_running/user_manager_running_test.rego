package stackpolicy.invariants.user_manager_running_test

import data.stackpolicy.invariants.user_manager_running as rule
import data.stackpolicy.lib_test as given

in_state(state) := object.union(given.document([]), {"manager": {"state": state}})

with_target(state, active) := object.union(in_state(state), {"manager": {"default_target": {"load_state": "loaded", "active_state": active}}})

silent := given.without(
	object.union(given.document([]), {"collectors": {"systemd": {"ok": false, "error": "no bus"}}}),
	["manager"],
)

test_no_answer if {
	findings := rule.finding with input as silent
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "page",
		"message": "the user manager does not answer",
		"evidence": {"case": "no-answer", "expected": "running", "found": "no bus"},
	}}
}

test_starting if {
	findings := rule.finding with input as in_state("starting")
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "the user manager is starting, not running",
		"evidence": {"case": "starting", "expected": "running", "found": "starting"},
	}}
}

cases := {
	"a failed collector outweighs its section": {
		"doc": object.union(in_state("starting"), {"collectors": {"systemd": {"ok": false}}}),
		"want": {["host", "block", "page", "no-answer"]},
	},
	"running": {"doc": in_state("running"), "want": set()},
	"degraded": {"doc": in_state("degraded"), "want": set()},
	"the default target runs": {"doc": with_target("running", "active"), "want": set()},
	"the default target was stopped": {"doc": with_target("running", "inactive"), "want": {["host", "block", "page", "no-target"]}},
	"so it was, and a unit failed": {"doc": with_target("degraded", "failed"), "want": {["host", "block", "page", "no-target"]}},
	"it is not started yet": {"doc": with_target("starting", "inactive"), "want": {["host", "block", "ticket", "starting"]}},
	"initializing": {"doc": in_state("initializing"), "want": {["host", "block", "ticket", "starting"]}},
	"maintenance": {"doc": in_state("maintenance"), "want": {["host", "block", "page", "maintenance"]}},
	"stopping": {"doc": in_state("stopping"), "want": {["host", "block", "page", "stopping"]}},
	"unheard of": {"doc": in_state("offline"), "want": {["host", "block", "page", "other"]}},
	"answered, section missing": {
		"doc": given.without(given.document([]), ["manager"]),
		"want": {["host", "block", "page", "no-answer"]},
	},
	"another folder": {
		"doc": object.union(silent, {"collectors": {"systemd": {"error": "the manager does not search /x/systemd/user; run"}}}),
		"want": {["host", "block", "unknown", "other-folder"]},
	},
	"a pipe": {
		"doc": object.union(silent, {"collectors": {"systemd": {"error": "the manager would wait for ever: /x/web.service"}}}),
		"want": {["host", "block", "page", "pipe"]},
	},
	"never asked": {
		"doc": given.without(given.document([]), ["manager", "collectors"]),
		"want": {["host", "block", "page", "no-answer"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
