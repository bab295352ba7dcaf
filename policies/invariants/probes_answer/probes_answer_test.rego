package stackpolicy.invariants.probes_answer_test

import data.stackpolicy.invariants.probes_answer as rule
import data.stackpolicy.lib_test as given

# probe is one that answers as it should, with changes.
probe(changes) := object.union(
	{
		"kind": "http", "target": "http://127.0.0.1:8080/health", "expected": "status 200 within 2s",
		"ok": true, "status": 200, "latency_ms": 10, "error": "",
	},
	changes,
)

refused := probe({"ok": false, "status": 0, "error": "connection refused"})

bad_gateway := probe({"ok": false, "status": 502, "error": "status 502"})

ends(at) := probe({"target": "https://web.example.org/", "certificate_end": at})

# stack is a unit in a state, with probes and changes.
stack(active_state, probes, changes) := given.unit("web.service", object.union(
	{"loaded": {"active_state": active_state}, "probes": probes},
	changes,
))

test_finding if {
	findings := rule.finding with input as given.document([stack("active", [probe({}), bad_gateway], {})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "web.service: http://127.0.0.1:8080/health: status 502, expected status 200 within 2s",
		"evidence": {
			"case": "wrong-status", "kind": "http", "target": "http://127.0.0.1:8080/health",
			"expected": "status 200 within 2s", "found": "status 502",
		},
	}}
}

test_certificate if {
	findings := rule.finding with input as given.document([stack("active", [ends("2026-05-11T03:02:00Z")], {})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service: the certificate of https://web.example.org/ ends at 2026-05-11T03:02:00Z",
		"evidence": {
			"case": "certificate-ends", "kind": "http", "target": "https://web.example.org/",
			"expected": "a certificate that is valid for 7 days or more", "found": "2026-05-11T03:02:00Z",
		},
	}}
}

down := given.container("web_app", {"state": "exited", "exit_code": 1})

# The document is of 2026-05-04T03:02:01Z.
right := {
	"answers": stack("active", [probe({})], {}),
	"no probe": stack("active", [], {}),
	"a certificate of a week": stack("active", [ends("2026-05-11T03:02:01Z")], {}),
	"inactive": stack("inactive", [refused], {}),
	"on its way up": stack("activating", [refused], {}),
	"applied again": stack("reloading", [refused], {}),
	"on its way down": stack("deactivating", [refused], {}),
	"started just now": stack(
		"active", [refused],
		{"loaded": {"active_state": "active", "active_enter": "2026-05-04T03:01:02Z"}},
	),
	"failed, and nothing runs": stack("failed", [refused], {"containers": [down]}),
	"failed, and only a pod's own container runs": stack(
		"failed", [refused],
		{"containers": [given.container("infra", {"infra": true})]},
	),
	"failed, and podman is a gap": object.remove(stack("failed", [refused], {}), ["containers"]),
	"unmanaged": stack("active", [refused], {"managed_by": ""}),
	"a template": given.template("web@.service", {"probes": [refused]}),
	"probes missing": object.remove(stack("active", [], {}), ["probes"]),
}

test_right[name] if {
	some name, unit in right
	findings := rule.finding with input as given.document([unit])
	findings == set()
}

wrong := {
	"no answer": {"unit": stack("active", [refused], {}), "want": {["page", "no-answer"]}},
	"no connection": {
		"unit": stack("active", [probe({"kind": "tcp", "ok": false, "status": 0, "error": "connection refused"})], {}),
		"want": {["page", "no-connection"]},
	},
	"started a minute ago": {
		"unit": stack("active", [refused], {"loaded": {"active_state": "active", "active_enter": "2026-05-04T03:01:01Z"}}),
		"want": {["page", "no-answer"]},
	},
	"failed, and its containers run": {"unit": stack("failed", [refused], {}), "want": {["page", "no-answer"]}},
	"while it is verified": {
		"unit": stack("activating", [refused], {"verify": {"restarted": [], "healthy": true}}),
		"want": {["page", "no-answer"]},
	},
	"verified just after its start": {
		"unit": stack("active", [refused], {
			"verify": {"restarted": [], "healthy": true},
			"loaded": {"active_state": "active", "active_enter": "2026-05-04T03:02:00Z"},
		}),
		"want": {["page", "no-answer"]},
	},
	"a certificate that ended": {
		"unit": stack(
			"active", [object.union(
				ends("2026-05-01T00:00:00Z"),
				{"ok": false, "status": 0, "error": "certificate has expired"},
			)],
			{},
		),
		"want": {["page", "no-answer"]},
	},
	"two of three": {
		"unit": stack("active", [probe({}), refused, ends("2026-05-05T00:00:00Z")], {}),
		"want": {["page", "no-answer"], ["ticket", "certificate-ends"]},
	},
}

test_wrong[name] if {
	some name, c in wrong
	findings := rule.finding with input as given.document([c.unit])
	given.rows(findings) == {["web.service", "block", row[0], row[1]] | some row in c.want}
}

test_several_units if {
	findings := rule.finding with input as given.document([
		stack("active", [probe({})], {}),
		stack("active", [refused], {"name": "db.service"}),
		stack("active", [bad_gateway], {"name": "mail.service"}),
	])
	given.rows(findings) == {
		["db.service", "block", "page", "no-answer"],
		["mail.service", "block", "page", "wrong-status"],
	}
}
