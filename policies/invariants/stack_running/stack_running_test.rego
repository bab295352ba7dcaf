package stackpolicy.invariants.stack_running_test

import data.stackpolicy.invariants.stack_running as rule
import data.stackpolicy.lib_test as given

# stack is a unit in a state, with containers.
stack(name, active_state, containers) := given.unit(name, {
	"loaded": {"active_state": active_state},
	"containers": containers,
})

ok := given.container("web_db", {})

down := given.container("web_app", {"state": "exited", "exit_code": 137, "health": ""})

migrated := given.container("web_migrate", {"state": "exited", "health": "", "restart_policy": "no"})

between_restarts(name, changes) := object.union_n([
	stack(name, "activating", []),
	{"loaded": {"sub_state": "auto-restart", "n_restarts": 5}},
	changes,
])

in_state(state) := given.container("web_app", {"state": state, "health": ""})

evidence := {
	"case": "exited", "container": "web_app", "expected": "running", "found": "exited",
	"health": "", "exit_code": 137, "restarts": 0,
}

test_finding if {
	findings := rule.finding with input as given.document([stack("web.service", "active", [ok, down])])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "web.service: container web_app has exited (137)",
		"evidence": evidence,
	}}
}

test_heal if {
	findings := rule.finding with input as given.document([stack("web.service", "active", [ok, down])])
		with data.settings.restart as ["web*"]
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": "web.service: container web_app has exited (137)",
		"evidence": evidence,
		"action": "restart",
	}}
}

test_restart_only_where_wanted[name] if {
	some name, c in {
		"another name": {"restart": ["db*"], "state": "active", "want": ["web.service", "block", "page", "exited"]},
		"no setting": {"restart": [], "state": "active", "want": ["web.service", "block", "page", "exited"]},
		"not active": {"restart": ["web*"], "state": "activating", "want": ["web.service", "block", "page", "exited"]},
		"opted in": {"restart": ["w*"], "state": "active", "want": ["web.service", "heal", "ticket", "exited", "restart"]},
	}
	findings := rule.finding with input as given.document([stack("web.service", c.state, [ok, down])])
		with data.settings.restart as c.restart
	given.rows(findings) == {c.want}
}

test_nothing_runs if {
	findings := rule.finding with input as given.document([
		stack("a.service", "active", []),
		stack("b.service", "active", [migrated]),
	])
	findings == {
		{
			"subject": "a.service", "effect": "block", "severity": "page",
			"message": "a.service is active, but it has no container at all",
			"evidence": {"case": "no-containers", "expected": "running containers", "found": "none", "stack": "web"},
		},
		{
			"subject": "b.service", "effect": "block", "severity": "page",
			"message": "b.service is active, but all its containers have ended",
			"evidence": {"case": "none-running", "expected": "running containers", "found": "none", "stack": "web"},
		},
	}
}

cases := {
	"holds": {"units": [stack("web.service", "active", [ok, migrated])], "want": set()},
	"no verdict yet": {
		"units": [stack("web.service", "active", [given.container("web_app", {"health": "starting"})])],
		"want": set(),
	},
	"inactive": {"units": [stack("web.service", "inactive", [down])], "want": set()},
	"failed": {"units": [stack("web.service", "failed", [down])], "want": set()},
	"no stack": {"units": [object.union(stack("web.service", "active", [down]), {"stack": ""})], "want": set()},
	"unmanaged": {"units": [object.union(stack("web.service", "active", [down]), {"managed_by": ""})], "want": set()},
	"a template": {"units": [given.template("web@.service", {"containers": [down]})], "want": set()},
	"activating without containers": {"units": [stack("web.service", "activating", [])], "want": set()},
	"created during an apply": {
		"units": [stack("web.service", "activating", [in_state("created"), in_state("removing")])],
		"want": set(),
	},
	"created, and left": {
		"units": [stack("web.service", "active", [ok, in_state("created")])],
		"want": {["web.service", "block", "page", "not-running"]},
	},
	"paused": {
		"units": [stack("web.service", "reloading", [in_state("paused")])],
		"want": {["web.service", "block", "page", "not-running"]},
	},
	"unhealthy": {
		"units": [stack("web.service", "active", [given.container("web_app", {"health": "unhealthy"})])],
		"want": {["web.service", "block", "page", "unhealthy"]},
	},
	"container restarting": {
		"units": [stack("web.service", "active", [in_state("restarting")])],
		"want": {["web.service", "block", "page", "restarting"]},
	},
	"unit between restarts": {
		"units": [
			between_restarts("web.service", {}),
			between_restarts("a.service", {"managed_by": ""}),
			between_restarts("b.service", {"stack": ""}),
		],
		"want": {["web.service", "block", "page", "auto-restart"]},
	},
	"a pod's own container": {
		"units": [stack("web.service", "active", [ok, given.container("web_infra", {"infra": true, "state": "exited"})])],
		"want": set(),
	},
	"only a pod's own container": {
		"units": [stack("web.service", "active", [given.container("web_infra", {"infra": true})])],
		"want": {["web.service", "block", "page", "no-containers"]},
	},
	"several, one finding a container": {
		"units": [
			stack("a.service", "active", [ok, down, given.container("web_two", {"health": "unhealthy"})]),
			stack("b.service", "active", [ok]),
			stack("c.service", "active", [ok, down]),
		],
		"want": {
			["a.service", "block", "page", "exited"],
			["a.service", "block", "page", "unhealthy"],
			["c.service", "block", "page", "exited"],
		},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units) with data.settings.restart as []
	given.rows(findings) == c.want
}
