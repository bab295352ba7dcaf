package stackpolicy.invariants.unit_not_failed_test

import data.stackpolicy.invariants.unit_not_failed as rule
import data.stackpolicy.lib_test as given

failed(name, stack, containers) := given.unit(name, {
	"stack": stack, "containers": containers,
	"loaded": {"active_state": "failed", "result": "exit-code", "exec_main_status": 125},
})

up := given.container("web_db", {})

down := given.container("web_app", {"state": "exited", "exit_code": 1})

test_finding if {
	findings := rule.finding with input as given.document([failed("web.service", "web", [up])])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service failed (exit-code): the last apply failed, the stack still runs",
		"evidence": {
			"case": "still-running", "path": given.in_user_dir("web.service"), "expected": "not failed",
			"found": "exit-code", "exit_status": 125, "down": [], "missing": [],
		},
	}}
}

reloaded(changes) := given.unit("web.service", {"loaded": object.union({"reload_result": "exit-code"}, changes)})

test_reload_failed if {
	findings := rule.finding with input as given.document([reloaded({})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "the last reload of web.service failed (exit-code): it may still use its earlier configuration",
		"evidence": {
			"case": "reload-failed", "path": given.in_user_dir("web.service"), "expected": "success", "found": "exit-code",
		},
	}}
}

test_rolled_back if {
	back := {"applied": {"rolled_back": {"at": "2026-05-04T02:00:00Z", "message": "web_db exited"}}}
	findings := rule.finding with input as given.document([
		object.union(failed("a.service", "a", [up]), back),
		object.union(failed("b.service", "b", [up, down]), back),
	])
	{[finding.evidence.case, finding.severity, finding.message] | some finding in findings} == {
		["rolled-back", "ticket", "a.service failed (exit-code): it was rolled back and runs what was applied before: web_db exited"],
		["partly-down", "page", "b.service failed (exit-code): some containers of its stack are down"],
	}
}

test_names_what_is_down if {
	findings := rule.finding with input as given.document([failed("web.service", "web", [up, down])])
	{finding.evidence.down | some finding in findings} == {["web_app"]}
}

# expecting is a failed stack of which services are recorded.
expecting(name, containers, services) := object.union(failed(name, "web", containers), {"services": services})

app := given.service("app", {})

migrate := given.service("migrate", {"one_shot": true})

migrated := given.container("web_migrate", {"state": "exited", "health": "", "service": "migrate"})

test_names_what_is_missing if {
	unit := expecting("web.service", [up], [app, given.service("db", {}), migrate])
	findings := rule.finding with input as given.document([unit])
	{[finding.evidence.case, finding.evidence.missing] | some finding in findings} == {["partly-down", ["db"]]}
}

# A start or stop that does not end: wrong if it takes longer than it may.
test_hangs[name] if {
	page := {["web.service", "block", "page", "hangs"]}
	ticket := {["web.service", "block", "ticket", "hangs"]}
	job := {"type": "oneshot", "remain_after_exit": false}
	some name, c in {
		"starts for ever": {"is": {}, "stack": "", "want": page},
		"stops for ever": {"is": {"active_state": "deactivating", "sub_state": "stop"}, "stack": "", "want": page},
		"nothing wants it": {"is": {"wanted_by": []}, "stack": "", "want": ticket},
		"a stack": {"is": {}, "stack": "web", "want": ticket},
		"for ten minutes": {"is": {"state_change": "2026-05-04T02:52:01Z"}, "stack": "", "want": set()},
		"within its limit": {"is": {"timeout_start_sec": 7200}, "stack": "", "want": set()},
		"longer than its limit": {"is": {"timeout_start_sec": 1800}, "stack": "", "want": page},
		"waits for its next restart": {"is": {"sub_state": "auto-restart"}, "stack": "", "want": set()},
		"waits for its next restart, on 257": {"is": {"sub_state": "auto-restart-queued"}, "stack": "", "want": set()},
		"a backup that takes an hour": {"is": job, "stack": "", "want": set()},
		"a backup that takes two days": {"is": object.union(job, {"state_change": "2026-05-02T02:02:01Z"}), "stack": "", "want": ticket},
		"a backup that stops for ever": {"is": object.union(job, {"active_state": "deactivating"}), "stack": "", "want": page},
		"reloads for ever": {"is": {"active_state": "reloading", "sub_state": "reload"}, "stack": "", "want": page},
		"is cleaned for ever": {"is": {"active_state": "maintenance", "sub_state": "cleaning"}, "stack": "", "want": page},
		"active": {"is": {"active_state": "active"}, "stack": "", "want": set()},
	}
	hour := {"active_state": "activating", "sub_state": "start", "timeout_start_sec": -1, "type": "notify", "state_change": "2026-05-04T02:02:01Z"}
	loaded := object.union(hour, c.is)
	unit := given.unit("web.service", {"stack": c.stack, "containers": [], "loaded": loaded})
	findings := rule.finding with input as given.document([
		unit,
		object.union(unit, {"name": "other.service", "managed_by": ""}),
	])
	given.rows(findings) == c.want
}

# Without the containers a failed unit is a page all the same.
test_containers_unknown if {
	doc := object.union(given.document([failed("web.service", "web", [])]), {"collectors": {"podman": {"ok": false}}})
	findings := rule.finding with input as given.without(doc, ["podman"])
	given.rows(findings) == {["web.service", "block", "page", "failed"]}
}

# What compose run made does not do the stack's work.
test_one_off_is_no_stack if {
	one_off := object.union(up, {"one_off": true})
	findings := rule.finding with input as given.document([failed("web.service", "web", [one_off])])
	{finding.evidence.case | some finding in findings} == {"down"}
}

audited(status) := given.unit("stackpolicy-audit.service", {"loaded": {
	"active_state": "failed", "result": "exit-code", "exec_main_status": status,
}})

test_verdict_of_audit_is_no_failure[status] if {
	some status in [2, 3]
	findings := rule.finding with input as given.document([audited(status)])
	findings == set()
}

test_audit_that_broke_is_a_failure if {
	findings := rule.finding with input as given.document([audited(127)])
	{finding.subject | some finding in findings} == {"stackpolicy-audit.service"}
}

# As long as alerts cannot be sent, the unit that sends them is failed.
test_unsent_alerts_are_no_failure[status] if {
	some status, want in {1: set(), 3: set(), 127: {"stackpolicy-alerts.service"}}
	sender := object.union(audited(status), {"name": "stackpolicy-alerts.service"})
	findings := rule.finding with input as given.document([sender])
	{finding.subject | some finding in findings} == want
}

infra := given.container("web_infra", {"infra": true})

cases := {
	"only infra is down": {
		"units": [failed("web.service", "web", [up, object.union(infra, {"state": "exited"})])],
		"want": {["web.service", "block", "ticket", "still-running"]},
	},
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"a template": {"units": [given.template("web@.service", {})], "want": set()},
	"unmanaged": {"units": [object.union(failed("web.service", "", []), {"managed_by": ""})], "want": set()},
	"no stack": {"units": [failed("sync.service", "", [])], "want": {["sync.service", "block", "page", "failed"]}},
	"no containers": {"units": [failed("web.service", "web", [])], "want": {["web.service", "block", "page", "down"]}},
	"only infra runs": {
		"units": [failed("web.service", "web", [infra, down])],
		"want": {["web.service", "block", "page", "down"]},
	},
	"a one-shot's restart policy is another's": {
		"units": [expecting("web.service", [up, migrated], [app, migrate])],
		"want": {["web.service", "block", "ticket", "still-running"]},
	},
	"a one-shot's container is gone": {
		"units": [expecting("web.service", [up], [app, migrate])],
		"want": {["web.service", "block", "ticket", "still-running"]},
	},
	"one of two containers": {
		"units": [expecting("web.service", [up], [given.service("app", {"containers": 2})])],
		"want": {["web.service", "block", "page", "partly-down"]},
	},
	"only a one-shot is there": {
		"units": [expecting("web.service", [migrated], [app, migrate])],
		"want": {["web.service", "block", "page", "down"]},
	},
	"nothing but one-shots, done": {
		"units": [expecting("web.service", [migrated], [migrate])],
		"want": {["web.service", "block", "ticket", "done-before"]},
	},
	"nothing but one-shots, one failed": {
		"units": [expecting("web.service", [migrated, object.union(migrated, {"exit_code": 1})], [migrate])],
		"want": {["web.service", "block", "page", "down"]},
	},
	"nothing but one-shots, gone": {
		"units": [expecting("web.service", [], [migrate])],
		"want": {["web.service", "block", "page", "down"]},
	},
	"reloaded": {"units": [reloaded({"reload_result": "success"})], "want": set()},
	"reloading now": {"units": [reloaded({"active_state": "reloading"})], "want": set()},
	"stopped since its reload failed": {"units": [reloaded({"active_state": "inactive"})], "want": set()},
	"a reload failed, unmanaged": {"units": [object.union(reloaded({}), {"managed_by": ""})], "want": set()},
	"services missing": {
		"units": [object.remove(failed("web.service", "web", [up]), ["services"])],
		"want": {["web.service", "block", "ticket", "still-running"]},
	},
	"several": {
		"units": [failed("a.service", "a", [up]), given.unit("b.service", {}), failed("c.service", "c", [up, down])],
		"want": {["a.service", "block", "ticket", "still-running"], ["c.service", "block", "page", "partly-down"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
