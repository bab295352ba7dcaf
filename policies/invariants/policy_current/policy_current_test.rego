package stackpolicy.invariants.policy_current_test

import data.stackpolicy.invariants.policy_current as rule
import data.stackpolicy.lib_test as given

# with_release is a document of an account on the newest release, with changes.
with_release(changes) := object.union(given.document([]), {"release": object.union(
	{"channel": "stable", "version": 7, "newest": 7, "stage": "active", "expires": "2026-07-01T00:00:00Z"},
	changes,
)})

problem(kind, since) := with_release({"problem": {"kind": kind, "text": "it is so", "since": since}})

test_finding if {
	findings := rule.finding with input as problem("back", "2026-05-04T03:00:00Z")
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "releases of channel stable: it is so",
		"evidence": {
			"case": "back", "channel": "stable", "version": 7, "newest": 7,
			"expected": "the newest release", "found": "it is so",
		},
	}}
}

cases := {
	"on the newest": {"doc": with_release({}), "want": set()},
	"in shadow": {"doc": with_release({"version": 6, "stage": "shadow"}), "want": set()},
	"none yet": {"doc": object.union(given.document([]), {"release": {"channel": "stable", "version": 0, "newest": 0, "stage": ""}}), "want": set()},
	"no releases": {"doc": given.document([]), "want": set()},
	"not answered for an hour": {"doc": problem("unreachable", "2026-05-04T02:02:01Z"), "want": set()},
	"not answered for a day": {
		"doc": problem("unreachable", "2026-05-03T03:02:01Z"),
		"want": {["host", "block", "ticket", "unreachable"]},
	},
	"refused just now": {
		"doc": problem("refused", "2026-05-04T03:02:00Z"),
		"want": {["host", "block", "ticket", "refused"]},
	},
	"nothing newer": {
		"doc": problem("expired", "2026-05-04T03:02:00Z"),
		"want": {["host", "block", "ticket", "expired"]},
	},
	"damaged": {
		"doc": problem("damaged", "2026-05-04T03:02:00Z"),
		"want": {["host", "block", "ticket", "damaged"]},
	},
	"14 days are left": {"doc": with_release({"expires": "2026-05-18T03:02:01Z"}), "want": set()},
	"less is left": {
		"doc": with_release({"expires": "2026-05-18T03:02:00Z"}),
		"want": {["host", "block", "ticket", "ends-soon"]},
	},
	"expired this second": {
		"doc": with_release({"expires": "2026-05-04T03:02:01Z"}),
		"want": {["host", "block", "ticket", "ended"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
