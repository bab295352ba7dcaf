package stackpolicy.invariants.images_current_test

import data.stackpolicy.invariants.images_current as rule
import data.stackpolicy.lib_test as given

# with_container is an active unit with one container.
with_container(changes) := given.unit("web.service", {"containers": [given.container("web_app", changes)]})

older := {"image_id": "aa", "image_now": {"id": "bb", "built_at": "2026-05-03T12:00:00Z"}}

rolled_back := {"image_id": "aa", "rolled_back": {"at": "2026-05-04T00:02:00Z"}}

# updated is a document of a host whose auto-update ran at midnight.
updated(changes) := object.union(given.document([with_container(changes)]), {"auto_update": {
	"load_state": "loaded", "active_state": "inactive", "result": "success",
	"started_at": "2026-05-04T00:00:00Z", "ended_at": "2026-05-04T00:02:00Z",
}})

test_rolled_back if {
	findings := rule.finding with input as updated(rolled_back)
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": concat("", [
			"container web_app: the update of localhost/app:1 was rolled back at 2026-05-04T00:02:00Z; ",
			"the next run tries again",
		]),
		"evidence": {
			"case": "rolled-back", "container": "web_app", "image": "localhost/app:1",
			"expected": "a new image that starts", "found": "aa", "at": "2026-05-04T00:02:00Z",
		},
	}}
}

test_older if {
	findings := rule.finding with input as updated(object.union(older, {"auto_update": ""}))
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "container web_app runs an older image than localhost/app:1 means now",
		"evidence": {
			"case": "older", "container": "web_app", "image": "localhost/app:1", "expected": "bb", "found": "aa",
			"built_at": "2026-05-03T12:00:00Z", "auto_update": "",
		},
	}}
}

found := {["web.service", "block", "ticket", "older"]}

cases := {
	"holds": {"doc": given.document([given.unit("web.service", {})]), "want": set()},
	"the same image": {"doc": updated({"image_id": "bb", "image_now": {"id": "bb"}}), "want": set()},
	"its name means none, or it has a digest": {"doc": updated({"image_id": "aa"}), "want": set()},
	"of unknown age": {"doc": updated({"image_id": "aa", "image_now": {"id": "bb"}, "auto_update": ""}), "want": found},
	"auto-updated, and the last run left it": {"doc": updated(older), "want": found},
	"auto-updated, built since the last run": {
		"doc": updated(object.union(older, {"image_now": {"built_at": "2026-05-04T01:00:00Z"}})),
		"want": set(),
	},
	"auto-updated, and no run yet": {
		"doc": given.document([with_container(older)]),
		"want": set(),
	},
	"held by its label": {"doc": updated(object.union(older, {"auto_update": "disabled"})), "want": set()},
	"does not run": {"doc": updated(object.union(older, {"state": "exited"})), "want": set()},
	"a pod's own": {"doc": updated(object.union(older, {"infra": true})), "want": set()},
	"its unit is being restarted": {
		"doc": given.document([object.union(
			with_container(object.union(older, {"auto_update": ""})),
			{"loaded": {"active_state": "activating"}},
		)]),
		"want": set(),
	},
	"unmanaged": {
		"doc": given.document([object.union(with_container(object.union(older, {"auto_update": ""})), {"managed_by": ""})]),
		"want": set(),
	},
	"rolled back, and it says so once": {
		"doc": updated(object.union(older, rolled_back)),
		"want": {["web.service", "block", "ticket", "rolled-back"]},
	},
	"no container": {"doc": given.document([given.unit("web.service", {"containers": []})]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
