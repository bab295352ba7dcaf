package stackpolicy.invariants.auto_update_works_test

import data.stackpolicy.invariants.auto_update_works as rule
import data.stackpolicy.lib_test as given

# timed is a document with a state of the timer.
timed(timer, managed) := object.union(given.document(managed), {"podman": {"auto_update_timer": timer}})

web := given.unit("web.service", {})

stopped := {"load_state": "loaded", "active_state": "inactive"}

not_asked := json.remove(given.document([web]), ["podman/auto_update_timer"])

test_finding if {
	findings := rule.finding with input as timed(stopped, [web])
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "podman-auto-update.timer is not active, but 1 containers ask for updates",
		"evidence": {"case": "stopped", "expected": "active", "found": "inactive", "containers": ["web_app"]},
	}}
}

failed := object.union(given.document([web]), {"auto_update": {
	"active_state": "failed", "result": "exit-code", "ended_at": "2026-05-04T00:02:00Z",
}})

test_run_failed if {
	findings := rule.finding with input as failed
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "the last run of podman-auto-update.service failed (exit-code) at 2026-05-04T00:02:00Z",
		"evidence": {
			"case": "run-failed", "expected": "success", "found": "exit-code", "at": "2026-05-04T00:02:00Z",
			"containers": ["web_app"],
		},
	}}
}

plain := given.unit("web.service", {"containers": [given.container("web_app", {"auto_update": "disabled"})]})

cases := {
	"never elapses again": {
		"doc": timed({"load_state": "loaded", "active_state": "active", "sub_state": "elapsed"}, [web]),
		"want": {["host", "block", "ticket", "elapsed"]},
	},
	"masked while it runs": {
		"doc": timed({"load_state": "masked", "active_state": "active", "sub_state": "waiting"}, [web]),
		"want": {["host", "block", "ticket", "last-run"]},
	},
	"masked while it runs, and nobody asks": {
		"doc": timed({"load_state": "masked", "active_state": "active", "sub_state": "waiting"}, [plain]),
		"want": set(),
	},
	"never elapses again, and nobody asks": {
		"doc": timed({"load_state": "loaded", "active_state": "active", "sub_state": "elapsed"}, [plain]),
		"want": set(),
	},
	"a container that has ended does not ask": {
		"doc": timed(stopped, [given.unit("web.service", {"containers": [given.container("web_app", {"state": "exited"})]})]),
		"want": set(),
	},
	"an unowned container does not ask": {
		"doc": object.union(timed(stopped, []), {"podman": {"unowned": [given.container("lone", {"auto_update": ""})]}}),
		"want": set(),
	},
	"failed, and nobody asks": {"doc": object.union(failed, {"units": [plain]}), "want": set()},
	"failed, at an unknown time": {
		"doc": json.remove(failed, ["auto_update/ended_at"]),
		"want": {["host", "block", "ticket", "run-failed"]},
	},
	"failed, and managed itself": {
		"doc": object.union(failed, {"units": [web, given.unit("podman-auto-update.service", {"containers": []})]}),
		"want": set(),
	},
	"no podman": {"doc": object.union(timed(stopped, [web]), {"podman": {"present": false}}), "want": set()},
	"holds": {"doc": given.document([web]), "want": set()},
	"nobody asks": {"doc": timed(stopped, [plain]), "want": set()},
	"unmanaged": {"doc": timed(stopped, [given.unit("web.service", {"managed_by": ""})]), "want": set()},
	"an unowned container asks": {
		"doc": object.union(timed(stopped, []), {"podman": {"unowned": [given.container("lone", {})]}}),
		"want": {["host", "block", "ticket", "stopped"]},
	},
	"not installed": {
		"doc": timed({"load_state": "not-found", "active_state": "inactive"}, [web]),
		"want": {["host", "block", "ticket", "not-installed"]},
	},
	"masked": {
		"doc": timed({"load_state": "masked", "active_state": "inactive"}, [web]),
		"want": {["host", "block", "ticket", "masked"]},
	},
	"not asked": {"doc": not_asked, "want": {["host", "block", "ticket", "not-asked"]}},
	"podman missing": {"doc": given.without(timed(stopped, [web]), ["podman"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
