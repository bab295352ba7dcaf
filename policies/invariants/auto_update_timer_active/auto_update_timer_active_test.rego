package stackpolicy.invariants.auto_update_timer_active_test

import data.stackpolicy.invariants.auto_update_timer_active as rule
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

plain := given.unit("web.service", {"containers": [given.container("web_app", {"auto_update": "disabled"})]})

cases := {
	"an unowned container does not ask": {
		"doc": object.union(timed(stopped, []), {"podman": {"unowned": [given.container("lone", {"auto_update": ""})]}}),
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
