package stackpolicy.invariants.applied_is_current_test

import data.stackpolicy.invariants.applied_is_current as rule
import data.stackpolicy.lib_test as given

# stack is an active unit with what is known of its last apply, with changes.
stack(name, changes) := given.unit(name, {"applied": object.union(current, changes)})

current := {
	"state": "recorded", "error": "", "at": "2026-05-04T02:00:00Z", "project": "web", "busy": false,
	"invocation": "8f2c", "stale": false,
	"changed": [], "step": "verify", "status": 0, "message": "",
}

# made is an active unit whose container app is as it was applied, with changes to
# what is recorded, to the record of the service, and to the container.
made(name, changes, recorded, changed_container) := object.union(stack(name, changes), {
	"services": [given.service("app", object.union({"definition": "d0", "image_id": "i0"}, recorded))],
	"containers": [given.container("web_app", object.union(
		{"labels": {"io.stackpolicy.definition": "d0"}, "image_id": "i0", "auto_update": ""},
		changed_container,
	))],
})

# A restart would try again what was undone, so none is asked for.
test_rolled_back if {
	findings := rule.finding with input as given.document([stack("web.service", {
		"rolled_back": {"at": "2026-05-04T03:00:00Z", "message": "web_db exited"},
		"changed": [{"path": "/srv/compose.yaml", "role": "compose", "applied": "sha256:00", "found": "sha256:11"}],
	})])
		with data.settings.restart as ["*"]
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service was rolled back, so it runs what was applied before: web_db exited",
		"evidence": {
			"case": "rolled-back", "path": given.in_user_dir("web.service"),
			"expected": "what is declared", "found": "what was applied before",
			"applied_at": "2026-05-04T02:00:00Z", "rolled_back_at": "2026-05-04T03:00:00Z",
		},
	}}
}

test_replaced if {
	findings := rule.finding with input as given.document([
		made("a.service", {}, {}, {"labels": {"io.stackpolicy.definition": "d1"}}),
		made("b.service", {}, {}, {"image_id": "i1"}),
		unlabelled("c.service"),
	])
		with data.settings.restart as ["*"]
	{finding.message: finding.evidence | some finding in findings} == {
		"a.service: container web_app is not the one that was applied: it is of another definition": {
			"case": "replaced", "container": "web_app", "service": "app",
			"expected": "definition d0", "found": "definition d1", "applied_at": "2026-05-04T02:00:00Z",
		},
		"b.service: container web_app is not the one that was applied: it runs another image": {
			"case": "replaced", "container": "web_app", "service": "app",
			"expected": "image i0", "found": "image i1", "applied_at": "2026-05-04T02:00:00Z",
		},
		"c.service: container web_app is not the one that was applied: no label says that stackctl made it": {
			"case": "replaced", "container": "web_app", "service": "app",
			"expected": "definition d0", "found": "no definition", "applied_at": "2026-05-04T02:00:00Z",
		},
	}
	{finding.effect | some finding in findings} == {"block"}
}

# A union with an object keeps its labels, so they are set as a whole.
unlabelled(name) := object.union(made(name, {}, {}, {}), {"containers": [object.union(
	object.remove(given.container("web_app", {}), ["labels"]),
	{"labels": {"other": "x"}, "image_id": "i0"},
)]})

test_not_replaced[name] if {
	some name, unit in {
		"as it was applied": made("web.service", {}, {}, {}),
		"auto-updated to a newer image": made("web.service", {}, {}, {"image_id": "i1", "auto_update": "registry"}),
		"nothing recorded of it": made("web.service", {}, {"definition": "", "image_id": ""}, {"labels": {"io.stackpolicy.definition": "d1"}, "image_id": "i1"}),
		"a service that the record does not have": made("web.service", {}, {"name": "db"}, {"labels": {"io.stackpolicy.definition": "d1"}}),
		"one more, of podman-compose run": object.union(made("web.service", {}, {}, {}), {"containers": [
			given.container("web_app", {"labels": {"io.stackpolicy.definition": "d0"}, "image_id": "i0", "auto_update": ""}),
			given.container("web_app_tmp4711", {"image_id": "i0"}),
		]}),
		"of another project": made("web.service", {}, {}, {"labels": {"io.stackpolicy.definition": "d1"}, "project": "other"}),
		"while stackctl works": made("web.service", {"busy": true}, {}, {"labels": {"io.stackpolicy.definition": "d1"}}),
		"the unit is not active": object.union(
			made("web.service", {}, {}, {"image_id": "i1"}),
			{"loaded": {"active_state": "activating"}},
		),
		"unmanaged": object.union(made("web.service", {}, {}, {"image_id": "i1"}), {"managed_by": ""}),
		"never applied, and made by another tool": object.union(unlabelled("web.service"), {"services": []}),
		"a document of before this was a fact": object.union(object.remove(made("web.service", {}, {}, {}), ["applied"]), {
			"applied": object.remove(current, ["project", "busy"]),
			"containers": [object.remove(given.container("web_app", {}), ["image_id"])],
			"services": [object.remove(given.service("app", {}), ["definition", "image_id"])],
		}),
	}
	findings := rule.finding with input as given.document([unit])
	findings == set()
}

# A file that changed and was not applied yet makes its own finding, and no other.
test_changed_and_not_applied if {
	findings := rule.finding with input as given.document([made("web.service", changed, {}, {})])
		with data.settings.restart as []
	given.rows(findings) == {["web.service", "block", "ticket", "changed"]}
}

file(role, path) := {"path": path, "role": role, "applied": "sha256:00", "found": "sha256:01"}

compose := file("compose", "/srv/web/compose.yaml")

changed := {"changed": [compose]}

never := {"state": "none"}

unreadable := {"state": "unreadable", "error": "read what was applied: web.json: unexpected EOF"}

evidence := {
	"case": "changed", "path": "/srv/web/compose.yaml", "expected": "sha256:00", "found": "sha256:01",
	"changed": [compose], "applied_at": "2026-05-04T02:00:00Z",
}

test_changed if {
	findings := rule.finding with input as given.document([stack("web.service", changed)])
		with data.settings.restart as []
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service runs what was applied before its compose file changed: /srv/web/compose.yaml",
		"evidence": evidence,
	}}
}

test_heal if {
	findings := rule.finding with input as given.document([stack("web.service", changed)])
		with data.settings.restart as ["web*"]
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": "web.service runs what was applied before its compose file changed: /srv/web/compose.yaml",
		"evidence": evidence,
		"action": "restart",
	}}
}

gone := {"unusable": [{"path": "/srv/web/compose.yaml", "role": "compose", "reason": "is missing"}]}

# A restart whose preflight is known to refuse is not asked for.
test_unusable[name] if {
	sh := {"path": "/bin/sh", "ignore_failure": false}
	without_it := {"changed": [object.union(compose, {"found": ""})]}

	some name, c in {
		"compose file gone": {"applied": object.union(without_it, gone), "loaded": {}, "want": {"unusable"}},
		"and stale": {"applied": object.union(gone, {"stale": true}), "loaded": {}, "want": {"unusable", "stale"}},
		"never applied": {"applied": object.union(never, gone), "loaded": {}, "want": {"unusable", "never-applied"}},
		"the unit does not call stackctl": {
			"applied": object.union(never, gone),
			"loaded": {"exec_start": [sh], "exec_start_post": [sh]},
			"want": set(),
		},
		"the unit is stopped": {"applied": gone, "loaded": {"active_state": "inactive"}, "want": set()},
		"all usable": {"applied": {"unusable": []}, "loaded": {}, "want": set()},
	}
	unit := object.union(stack("web.service", c.applied), {"loaded": c.loaded})
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as ["*"]
	given.rows(findings) == {["web.service", "block", "ticket", case] | some case in c.want}
}

test_unusable_says_what_is_wrong if {
	findings := rule.finding with input as given.document([stack("web.service", gone)])
		with data.settings.restart as ["*"]
	{finding.message | some finding in findings} == {
		"web.service cannot be applied again: compose file /srv/web/compose.yaml is missing",
	}
}

# What an activation left that stopped is activation_current's.
test_of_an_activation_that_stopped if {
	unit := object.union(stack("web.service", changed), {"files": [given.fragment("web.service", {"state": "pending"})]})
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as []
	findings == set()
}

test_who_does_not_call_stackctl[name] if {
	sh := {"path": "/bin/sh", "ignore_failure": false}
	some name, c in {
		"calls it": {"loaded": {"exec_start": [{"path": "/nix/store/0-s/bin/stackctl", "ignore_failure": false}]}, "found": 1},
		"does not": {"loaded": {"exec_start": [sh]}, "found": 0},
		"does not, but verifies": {"loaded": {"exec_start": [sh]}, "found": 0},
		"its name ends like it": {"loaded": {"exec_start": [{"path": "/bin/mystackctl", "ignore_failure": false}]}, "found": 0},
		"nothing at all": {"loaded": {"exec_start": [], "exec_start_post": []}, "found": 0},
	}
	findings := rule.finding with input as given.document([object.union(stack("web.service", never), {"loaded": c.loaded})])
		with data.settings.restart as []
	count(findings) == c.found
}

# A document that does not have exec_start.
test_older_facts[name] if {
	some name, c in {
		"verifies": {"post": [{"path": "/bin/stackctl", "ignore_failure": false}], "found": 1},
		"does not": {"post": [], "found": 0},
	}
	unit := object.union(stack("web.service", never), {"loaded": {"exec_start_post": c.post}})
	findings := rule.finding with input as given.document([json.remove(unit, ["loaded/exec_start"])])
		with data.settings.restart as []
	count(findings) == c.found
}

# What was recorded is compared, whoever calls it.
test_recorded_and_changed if {
	unit := object.union(stack("web.service", changed), {"loaded": {"exec_start": []}})
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as []
	given.rows(findings) == {["web.service", "block", "ticket", "changed"]}
}

test_other_cases if {
	findings := rule.finding with input as given.document([
		stack("a.service", {"stale": true}), stack("b.service", never), stack("c.service", unreadable),
	])
	{finding.message: finding.evidence | some finding in findings} == {
		"a.service was applied with an older definition than the one on disk": {
			"case": "stale", "path": given.in_user_dir("a.service"),
			"expected": "applied by the definition on disk", "found": "applied by an older one that was loaded then",
			"applied_at": "2026-05-04T02:00:00Z",
		},
		"b.service is active, but stackctl never applied it: it is not known what runs": {
			"case": "never-applied", "path": given.in_user_dir("b.service"),
			"expected": "a record of its last apply", "found": "none",
		},
		"c.service: the record of what was applied cannot be read": {
			"case": "unreadable", "path": given.in_user_dir("c.service"),
			"expected": "a record of its last apply", "found": "read what was applied: web.json: unexpected EOF",
		},
	}
}

test_says_which_files[name] if {
	some name, c in {
		"unit": {"changed": [file("unit", "/u/web.service")], "want": "unit file changed: /u/web.service"},
		"two of a kind": {"changed": [file("env", "/a"), file("env", "/b")], "want": "env files changed: /a"},
		"all kinds": {
			"changed": [file("env", "/a"), file("unit", "/b"), file("compose", "/c")],
			"want": "compose and env and unit files changed: /a",
		},
	}
	findings := rule.finding with input as given.document([stack("web.service", {"changed": c.changed})])
	{finding.message | some finding in findings} == {concat("", ["web.service runs what was applied before its ", c.want])}
}

test_file_that_came_or_went if {
	findings := rule.finding with input as given.document([
		stack("a.service", {"changed": [object.union(compose, {"applied": ""})]}),
		stack("b.service", {"changed": [object.union(compose, {"found": ""})]}),
	])
	{[finding.evidence.expected, finding.evidence.found] | some finding in findings} == {
		["no file", "sha256:01"],
		["sha256:00", "no file"],
	}
}

test_without_a_time if {
	timeless := object.remove(object.union(current, changed), ["at"])
	findings := rule.finding with input as given.document([given.unit("web.service", {"applied": timeless})])
	{finding.evidence.applied_at | some finding in findings} == {"unknown"}
}

cases := {
	"holds": {"units": [stack("web.service", {})], "want": set()},
	"not stackctl's": {"units": [given.unit("web.service", {})], "want": set()},
	"a template": {"units": [given.template("web@.service", {"applied": never})], "want": set()},
	"unmanaged": {"units": [object.union(stack("web.service", changed), {"managed_by": ""})], "want": set()},
	"changed and stale is one finding": {
		"units": [stack("web.service", object.union(changed, {"stale": true}))],
		"want": {["web.service", "block", "ticket", "changed"]},
	},
	"a state that is not known": {
		"units": [stack("web.service", {"state": "later"})],
		"want": {["web.service", "block", "ticket", "unreadable"]},
	},
	"opted in, and proved": {
		"units": [stack("lab-a.service", changed), stack("lab-b.service", {"stale": true})],
		"want": {
			["lab-a.service", "heal", "ticket", "changed", "restart"],
			["lab-b.service", "heal", "ticket", "stale", "restart"],
		},
	},
	"opted in, but in doubt": {
		"units": [stack("lab-a.service", never), stack("lab-b.service", unreadable)],
		"want": {
			["lab-a.service", "block", "ticket", "never-applied"],
			["lab-b.service", "block", "ticket", "unreadable"],
		},
	},
	"several": {
		"units": [stack("a.service", changed), stack("b.service", {}), stack("c.service", never)],
		"want": {
			["a.service", "block", "ticket", "changed"],
			["c.service", "block", "ticket", "never-applied"],
		},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units) with data.settings.restart as ["lab-*"]
	given.rows(findings) == c.want
}

test_only_while_active[active_state] if {
	some active_state in ["activating", "reloading", "deactivating", "inactive", "failed"]
	findings := rule.finding with input as given.document([
		object.union(stack("web.service", changed), {"loaded": {"active_state": active_state}}),
		object.union(stack("web.service", never), {"loaded": {"active_state": active_state}}),
	])
	findings == set()
}
