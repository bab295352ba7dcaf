package stackpolicy.invariants.waivers_current_test

import data.stackpolicy.invariants.waivers_current as rule
import data.stackpolicy.lib_test as given

# waiver is in force for half a year from the document's time, with changes.
waiver(changes) := object.union(
	{
		"invariant": "verify_gate_present", "units": ["web.service"], "reason": "is being rebuilt",
		"owner": "ada", "until": "2026-11-04T03:02:01Z",
	},
	changes,
)

doc := given.document([given.unit("web.service", {}), given.unit("db.service", {"managed_by": ""})])

test_expired if {
	waivers := [waiver({"until": "2026-05-04T05:02:01+02:00"})]
	findings := rule.finding with input as doc with data.settings as {"waivers": waivers}
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "the waiver of verify_gate_present expired at 2026-05-04T05:02:01+02:00",
		"evidence": {
			"case": "expired", "invariant": "verify_gate_present", "units": ["web.service"], "idle": [],
			"reason": "is being rebuilt", "owner": "ada", "until": "2026-05-04T05:02:01+02:00",
		},
	}}
}

test_idle if {
	waivers := [waiver({"units": ["web.service", "wbe.*"]})]
	findings := rule.finding with input as doc with data.settings as {"waivers": waivers}
	{finding.message: finding.evidence.idle | some finding in findings} == {
		"the waiver of verify_gate_present names no unit that exists: wbe.*": ["wbe.*"],
	}
}

cases := {
	"none": {"waivers": [], "want": set()},
	"in force": {"waivers": [waiver({})], "want": set()},
	"in force for a moment yet": {"waivers": [waiver({"until": "2026-05-04T03:02:02Z"})], "want": set()},
	"expired just now": {
		"waivers": [waiver({"until": "2026-05-04T03:02:01Z"})],
		"want": {["host", "block", "ticket", "expired"]},
	},
	"a year": {"waivers": [waiver({"until": "2027-05-05T03:02:01Z"})], "want": set()},
	"longer than a year": {
		"waivers": [waiver({"until": "2027-05-05T03:02:02Z"})],
		"want": {["host", "block", "ticket", "too-long"]},
	},
	"a pattern": {"waivers": [waiver({"units": ["w?b.*"]})], "want": set()},
	"the host": {"waivers": [waiver({"units": ["host"]})], "want": set()},
	"a unit that failed and is gone": {"waivers": [waiver({"units": ["ghost.service"]})], "want": set()},
	"not managed": {"waivers": [waiver({"units": ["db.service"]})], "want": {["host", "block", "ticket", "idle"]}},
	"too long and idle": {
		"waivers": [waiver({"units": ["x.service"], "until": "2030-01-01T00:00:00Z"})],
		"want": {["host", "block", "ticket", "idle"], ["host", "block", "ticket", "too-long"]},
	},
	"expired, and idle too": {
		"waivers": [waiver({"units": ["x.service"], "until": "2020-01-01T00:00:00Z"})],
		"want": {["host", "block", "ticket", "expired"]},
	},
	"several": {
		"waivers": [waiver({}), waiver({"until": "2020-01-01T00:00:00Z"}), waiver({"units": ["x.service"]})],
		"want": {["host", "block", "ticket", "expired"], ["host", "block", "ticket", "idle"]},
	},
}

test_cases[name] if {
	with_ghost := object.union(doc, {"manager": {"failed_without_file": ["ghost.service"]}})

	some name, c in cases
	findings := rule.finding with input as with_ghost with data.settings as {"waivers": c.waivers}
	given.rows(findings) == c.want
}

entry(patterns) := {"invariant": "loaded_is_current", "units": patterns, "effect": "block"}

test_decide_idle if {
	entries := [entry(["web.service"]), entry(["w*", "wbe.*"])]
	findings := rule.finding with input as doc with data.settings as {"decide": entries}
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "settings.decide has an entry of loaded_is_current for no unit that exists: wbe.*",
		"evidence": {
			"case": "decide-idle", "invariant": "loaded_is_current",
			"units": ["w*", "wbe.*"], "idle": ["wbe.*"],
		},
	}}
}

test_decide_of_units_that_exist[patterns] if {
	with_ghost := object.union(doc, {"manager": {"failed_without_file": ["ghost.service"]}})

	some patterns in [["web.service"], ["host"], ["ghost.*"], ["*"]]
	findings := rule.finding with input as with_ghost with data.settings as {"decide": [entry(patterns)]}
	findings == set()
}

test_decide_idle_needs_every_unit[section] if {
	some section in ["manager", "declared"]
	findings := rule.finding with input as given.without(doc, [section])
		with data.settings as {"decide": [entry(["x.service"])]}
	findings == set()
}

# If it is not known which units exist, no pattern is idle.
test_idle_needs_every_unit[section] if {
	waivers := [waiver({"units": ["x.service"]})]

	some section in ["manager", "declared"]
	findings := rule.finding with input as given.without(doc, [section]) with data.settings as {"waivers": waivers}
	findings == set()
}

test_without_settings if {
	findings := rule.finding with input as doc with data.settings as {}
	findings == set()
}

# held is a stack's unit in a state, with exemptions and changes.
held(state, exemptions, changes) := given.unit("web.service", object.union(
	{"loaded": {"active_state": state}, "history": {"findings": [], "heals": [], "exemptions": exemptions}},
	changes,
))

hold(until) := {
	"invariant": "", "reason": "new disk", "owner": "ada", "since": "2026-05-03T00:00:00Z", "until": until,
}

ended := hold("2026-05-04T03:02:01Z")

test_hold_ended if {
	findings := rule.finding with input as given.document([held("inactive", [ended], {})])
		with data.settings as {"waivers": []}
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "the hold of web.service ended at 2026-05-04T03:02:01Z, and it is still inactive",
		"evidence": {
			"case": "hold-ended", "expected": "active", "found": "inactive", "reason": "new disk", "owner": "ada",
			"until": "2026-05-04T03:02:01Z",
		},
	}}
}

test_hold[name] if {
	some name, c in {
		"failed": {"unit": held("failed", [ended], {}), "want": {["web.service", "block", "ticket", "hold-ended"]}},
		"a service that is no oneshot": {
			"unit": held("inactive", [ended], {"loaded": {"active_state": "inactive", "type": "simple", "remain_after_exit": false}}),
			"want": {["web.service", "block", "ticket", "hold-ended"]},
		},
		"up again": {"unit": held("active", [ended], {}), "want": set()},
		"on its way up": {"unit": held("activating", [ended], {}), "want": set()},
		"still held": {"unit": held("inactive", [hold("2026-05-04T03:02:02Z")], {}), "want": set()},
		"a waiver that ended": {
			"unit": held("inactive", [object.union(ended, {"invariant": "stack_running"})], {}),
			"want": set(),
		},
		"not held": {"unit": held("inactive", [], {}), "want": set()},
		"done": {
			"unit": held("inactive", [ended], {"loaded": {"active_state": "inactive", "type": "oneshot", "remain_after_exit": false}}),
			"want": set(),
		},
		"no stack": {"unit": held("inactive", [ended], {"stack": ""}), "want": set()},
		"unmanaged": {"unit": held("inactive", [ended], {"managed_by": ""}), "want": set()},
		"history missing": {"unit": object.remove(held("inactive", [ended], {}), ["history"]), "want": set()},
		"not loaded": {"unit": object.remove(held("inactive", [ended], {}), ["loaded"]), "want": set()},
	}
	findings := rule.finding with input as given.document([c.unit]) with data.settings as {"waivers": []}
	given.rows(findings) == c.want
}
