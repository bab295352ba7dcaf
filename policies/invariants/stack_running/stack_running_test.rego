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

# infra is a pod's own container, which a quadlet's pod has no restart policy for.
infra(state) := given.container("web_infra", {
	"infra": true, "state": state, "health": "", "restart_policy": "", "service": "",
})

in_state(state) := given.container("web_app", {"state": state, "health": ""})

evidence := {
	"case": "exited", "container": "web_app", "service": "app", "expected": "running", "found": "exited",
	"health": "", "exit_code": 137, "restarts": 0, "restart_policy": "always",
}

test_finding if {
	findings := rule.finding with input as given.document([stack("web.service", "active", [ok, down])])
		with data.settings as {}
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

# Of a stack that stackctl has no record of, the compose files say what there should be.
unrecorded(from, containers, services) := object.union(
	stack("web.service", "active", containers),
	{"services_from": from, "services": services},
)

test_without_a_record[name] if {
	done := given.container("web_migrate", {"service": "migrate", "state": "exited", "health": "", "restart_policy": "no"})
	stopped := given.container("web_app", {"state": "exited", "health": "", "restart_policy": "no"})
	shot := given.service("migrate", {"one_shot": true})
	some name, c in {
		"all there": {"unit": unrecorded("files", [ok, done], [given.service("app", {}), shot]), "want": set()},
		"gone": {
			"unit": unrecorded("files", [ok], [given.service("app", {}), given.service("db", {})]),
			"want": {["web.service", "block", "page", "missing"]},
		},
		"all gone": {
			"unit": unrecorded("files", [], [given.service("app", {})]),
			"want": {["web.service", "block", "page", "missing"]},
		},
		"gone, and the files changed": {
			"unit": unrecorded("changed-files", [ok], [given.service("app", {}), given.service("db", {})]),
			"want": {["web.service", "block", "ticket", "not-applied"]},
		},
		"stopped with exit status 0": {
			"unit": unrecorded("files", [stopped], [given.service("app", {})]),
			"want": {["web.service", "block", "page", "exited"]},
		},
		"a one-shot that was pruned": {"unit": unrecorded("files", [ok], [given.service("app", {}), shot]), "want": set()},
		"scaled to none": {
			"unit": unrecorded("files", [ok], [given.service("app", {}), given.service("db", {"containers": 0})]),
			"want": set(),
		},
		"down on purpose": {
			"unit": object.union(
				unrecorded("files", [], [given.service("app", {})]),
				{"loaded": {"active_state": "inactive"}},
			),
			"want": set(),
		},
		"on its way": {
			"unit": object.union(
				unrecorded("files", [], [given.service("app", {})]),
				{"loaded": {"active_state": "activating", "state_change": "2026-05-04T03:02:00Z"}},
			),
			"want": set(),
		},
	}
	findings := rule.finding with input as given.document([c.unit])
		with data.settings.restart as []
	given.rows(findings) == c.want
}

test_not_applied_is_not_restarted if {
	unit := unrecorded("changed-files", [ok], [given.service("app", {}), given.service("db", {})])
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as ["*"]
	given.rows(findings) == {["web.service", "block", "ticket", "not-applied"]}
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

# The preflight would refuse the start, so a restart would only stop what still runs.
test_no_restart_without_its_files if {
	bad := {"path": "/srv/web/compose.yaml", "role": "compose", "reason": "is missing"}
	unit := object.union(
		stack("web.service", "active", [ok, down]),
		{"applied": {"state": "recorded", "changed": [], "unusable": [bad]}},
	)
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as ["*"]
	given.rows(findings) == {["web.service", "block", "page", "exited"]}
}

# A container that is about to leave its state: wrong if it stays so.
test_in_transit[name] if {
	ticket := {["web.service", "block", "ticket", "in-transit"]}
	page := {["web.service", "block", "page", "in-transit"]}
	heal := {["web.service", "heal", "ticket", "in-transit", "restart"]}
	down_page := {["web.service", "block", "page", "not-running"]}

	some name, c in {
		"stopping": {"is": {"state": "stopping"}, "since": "", "unit": {}, "restart": ["*"], "want": ticket},
		"removing": {"is": {"state": "removing"}, "since": "", "unit": {}, "restart": ["*"], "want": ticket},
		"initialized": {"is": {"state": "initialized"}, "since": "", "unit": {}, "restart": ["*"], "want": ticket},
		"stopping for a while": {
			"is": {"state": "stopping"}, "since": "2026-05-04T02:58:00Z",
			"unit": {}, "restart": [], "want": ticket,
		},
		"stopping for long": {
			"is": {"state": "stopping"}, "since": "2026-05-04T02:57:00Z",
			"unit": {}, "restart": [], "want": page,
		},
		"stopping for long, opted in": {
			"is": {"state": "stopping"}, "since": "2026-05-04T02:57:00Z",
			"unit": {}, "restart": ["*"], "want": heal,
		},
		"just created": {
			"is": {"state": "created", "created_at": "2026-05-04T03:01:30Z"}, "since": "",
			"unit": {}, "restart": ["*"], "want": set(),
		},
		"created, and left": {
			"is": {"state": "created", "created_at": "2026-05-04T03:01:01Z"}, "since": "",
			"unit": {}, "restart": [], "want": down_page,
		},
		"while stackctl works": {
			"is": {"state": "stopping"}, "since": "2026-05-04T02:57:00Z",
			"unit": {"applied": {"state": "recorded", "changed": [], "busy": true}}, "restart": [], "want": set(),
		},
		"dead while stackctl works": {
			"is": {"state": "dead"}, "since": "",
			"unit": {"applied": {"state": "recorded", "changed": [], "busy": true}}, "restart": [], "want": down_page,
		},
	}
	was := [{"invariant": "stack_running", "case": "in-transit", "since": c.since} | c.since != ""]
	unit := object.union_n([
		stack("web.service", "active", [ok, given.container("web_app", object.union({"health": ""}, c.is))]),
		{"history": {"findings": was}}, c.unit,
	])
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as c.restart
	given.rows(findings) == c.want
}

# A paused container: right while a backup is made, wrong if it lasts; never restarted.
test_paused[name] if {
	some name, c in {
		"just now": {"since": "2026-05-04T03:02:01Z", "beside": [ok], "want": {["ticket", "paused"]}},
		"for a quarter of an hour": {"since": "2026-05-04T02:47:01Z", "beside": [ok], "want": {["ticket", "paused"]}},
		"for longer": {"since": "2026-05-04T02:47:00Z", "beside": [ok], "want": {["page", "paused"]}},
		"beside one that is down": {
			"since": "2026-05-04T03:02:01Z", "beside": [down],
			"want": {["ticket", "paused"], ["page", "exited"]},
		},
	}
	unit := object.union(
		stack("web.service", "active", array.concat(c.beside, [given.container("web_db", {"state": "paused"})])),
		{"history": {"findings": [{"invariant": "stack_running", "case": "paused", "since": c.since}]}},
	)
	findings := rule.finding with input as given.document([unit])
		with data.settings.restart as ["*"]
	given.rows(findings) == {array.concat(["web.service", "block"], row) | some row in c.want}
}

test_in_transit_without_a_memory if {
	unit := stack("web.service", "active", [ok, in_state("stopping")])
	findings := rule.finding with input as given.document([object.remove(unit, ["history"])])
		with data.settings.restart as ["*"]
	{finding.message | some finding in findings} == {"web.service: container web_app is stopping"}
}

# After a boot all containers have ended, and the start has not reached them yet.
test_ended_before_the_start[name] if {
	killed := {"state": "exited", "health": "", "exit_code": 137}
	page := {["web.service", "block", "page", "exited"]}

	some name, c in {
		"with the machine": {"is": {"finished_at": "2026-05-04T02:59:00Z"}, "loaded": {}, "want": set()},
		"with its power": {"is": {}, "loaded": {}, "want": set()},
		"in this start": {"is": {"finished_at": "2026-05-04T03:01:30Z"}, "loaded": {}, "want": page},
		"and the start takes too long": {
			"is": {"finished_at": "2026-05-04T01:59:00Z"},
			"loaded": {"inactive_exit": "2026-05-04T02:00:00Z", "state_change": "2026-05-04T02:00:00Z"},
			"want": page,
		},
		"and the unit is active": {
			"is": {"finished_at": "2026-05-04T02:59:00Z"},
			"loaded": {"active_state": "active"},
			"want": page,
		},
		"and the unit reloads": {
			"is": {"finished_at": "2026-05-04T02:59:00Z"},
			"loaded": {"active_state": "reloading"},
			"want": page,
		},
	}
	began := {"loaded": {"inactive_exit": "2026-05-04T03:01:00Z", "state_change": "2026-05-04T03:01:00Z"}}
	unit := object.union_n([
		stack("web.service", "activating", [given.container("web_app", object.union(killed, c.is))]),
		began, {"loaded": c.loaded}, {"services": [app]},
	])
	findings := rule.finding with input as given.document([unit]) with data.settings.restart as []
	given.rows(findings) == c.want
}

# What compose run made is beside the stack: it ends when it likes, and does no service's work.
test_one_off[name] if {
	one_off := given.container("web_app_tmp4711", {"one_off": true, "restart_policy": "no"})
	over := object.union(one_off, {"state": "exited", "health": "", "exit_code": 3})
	some name, c in {
		"it has ended": {"containers": [of("app", {}), over], "services": [app], "want": set()},
		"it has ended, nothing recorded": {"containers": [of("app", {}), over], "services": [], "want": set()},
		"it runs instead of the service": {"containers": [one_off], "services": [app], "want": {"missing"}},
		"it runs, nothing recorded": {"containers": [one_off], "services": [], "want": {"no-containers"}},
	}
	every verify in [{}, {"verify": {"restarted": [], "healthy": true}}] {
		unit := object.union(stack("web.service", "active", c.containers), object.union({"services": c.services}, verify))
		findings := rule.finding with input as given.document([unit]) with data.settings.restart as []
		{finding.evidence.case | some finding in findings} == c.want
	}
}

test_nothing_runs if {
	findings := rule.finding with input as given.document([
		stack("a.service", "active", []),
		stack("b.service", "active", [migrated]),
	])
		with data.settings as {}
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
		"want": {["web.service", "block", "ticket", "paused"]},
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
	"waits for its next try, and its containers run": {
		"units": [between_restarts("web.service", {"services": [app], "containers": [ok]})],
		"want": {["web.service", "block", "ticket", "retrying"]},
	},
	"waits for its next try, and a container is down": {
		"units": [between_restarts("web.service", {"services": [app], "containers": [in_state("created")]})],
		"want": {["web.service", "block", "page", "auto-restart"]},
	},
	"waits for its next try, and status asks": {
		"units": [between_restarts("web.service", {
			"services": [app], "containers": [ok],
			"verify": {"restarted": [], "healthy": true},
		})],
		"want": set(),
	},
	"a pod's own container": {
		"units": [stack("web.service", "active", [ok, given.container("web_infra", {"infra": true, "state": "exited"})])],
		"want": set(),
	},
	"only a pod's own container": {
		"units": [stack("web-pod.service", "active", [infra("running")])],
		"want": set(),
	},
	"only a pod's own container, which has ended": {
		"units": [stack("web-pod.service", "active", [infra("exited")])],
		"want": {["web-pod.service", "block", "page", "none-running"]},
	},
	"only a pod's own container, which is paused": {
		"units": [stack("web-pod.service", "active", [infra("paused")])],
		"want": {["web-pod.service", "block", "ticket", "paused"]},
	},
	"services missing": {
		"units": [object.remove(stack("web.service", "active", [ok, down]), ["services"])],
		"want": {["web.service", "block", "page", "exited"]},
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

app := given.service("app", {})

migrate := given.service("migrate", {"one_shot": true})

of(service_name, changes) := given.container(
	concat("_", ["web", service_name]),
	object.union({"service": service_name}, changes),
)

ended(service_name, policy) := of(service_name, {"state": "exited", "health": "", "restart_policy": policy})

test_missing if {
	findings := rule.finding with input as given.document([object.union(
		stack("web.service", "active", [of("app", {})]),
		{"services": [given.service("app", {"containers": 2})]},
	)])
		with data.settings as {}
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "web.service: service app has 1 of 2 containers",
		"evidence": {"case": "missing", "service": "app", "expected": 2, "found": 1},
	}}
}

# With services recorded: of one active unit, the cases found.
recorded_cases := {
	"holds": {"services": [app, migrate], "containers": [of("app", {}), ended("migrate", "no")], "want": set()},
	"a one-shot's policy is another's": {
		"services": [app, migrate],
		"containers": [of("app", {}), ended("migrate", "always")],
		"want": set(),
	},
	"a one-shot failed": {
		"services": [app, migrate],
		"containers": [of("app", {}), object.union(ended("migrate", "no"), {"exit_code": 1})],
		"want": {["exited", "exited (0)"]},
	},
	"no one-shot, whatever its policy": {
		"services": [app],
		"containers": [ended("app", "no")],
		"want": {["exited", "running"]},
	},
	"of a service that is not recorded": {
		"services": [app],
		"containers": [of("app", {}), ended("other", "no"), ended("another", "always")],
		"want": {["exited", "running"]},
	},
	"nothing but one-shots, done": {"services": [migrate], "containers": [ended("migrate", "no")], "want": set()},
	"nothing but one-shots, gone": {"services": [migrate], "containers": [], "want": set()},
	"a one-shot is gone": {"services": [app, migrate], "containers": [of("app", {})], "want": set()},
	"no container at all": {
		"services": [app, given.service("db", {}), migrate],
		"containers": [],
		"want": {["missing", 1]},
	},
	"only others run": {
		"services": [app],
		"containers": [of("other", {}), given.container("web_infra", {"infra": true})],
		"want": {["missing", 1]},
	},
	"scaled to none": {"services": [given.service("app", {"containers": 0})], "containers": [], "want": set()},
}

test_recorded[name] if {
	some name, c in recorded_cases
	findings := rule.finding with input as given.document([object.union(
		stack("web.service", "active", c.containers),
		{"services": c.services},
	)])
	{[finding.evidence.case, finding.evidence.expected] | some finding in findings} == c.want
}

test_missing_waits_for_an_apply_to_end[active_state] if {
	some active_state, want in {"active": {"missing"}, "activating": set(), "reloading": set(), "failed": set()}
	findings := rule.finding with input as given.document([object.union(
		stack("web.service", active_state, []),
		{"services": [app]},
	)])
	{finding.evidence.case | some finding in findings} == want
}

# verified is a unit that stackctl verifies.
verified(active_state, containers, verify) := object.union(stack("web.service", active_state, containers), {
	"services": [app, migrate],
	"verify": object.union({"restarted": [], "healthy": true}, verify),
})

settled := [of("app", {}), ended("migrate", "no")]

beside(container) := [container, ended("migrate", "no")]

verify_cases := {
	"up": {"containers": settled, "verify": {}, "want": set()},
	"created": {"containers": beside(of("app", {"state": "created"})), "verify": {}, "want": {"not-running"}},
	"initialized": {"containers": beside(of("app", {"state": "initialized"})), "verify": {}, "want": {"not-running"}},
	"stopping": {"containers": beside(of("app", {"state": "stopping"})), "verify": {}, "want": {"not-running"}},
	"exited": {"containers": beside(ended("app", "no")), "verify": {}, "want": {"exited"}},
	"health starting": {"containers": beside(of("app", {"health": "starting"})), "verify": {}, "want": {"starting"}},
	"health starting, not asked for": {
		"containers": beside(of("app", {"health": "starting"})),
		"verify": {"healthy": false},
		"want": set(),
	},
	"health check not set up": {
		"containers": beside(of("app", {"health": ""})),
		"services": [object.union(app, {"health_check": true}), migrate],
		"verify": {},
		"want": {"starting"},
	},
	"health starting, and ended": {
		"containers": beside(object.union(ended("app", "no"), {"health": "starting"})),
		"verify": {},
		"want": {"exited"},
	},
	"no health check": {"containers": beside(of("app", {"health": ""})), "verify": {}, "want": set()},
	"unhealthy": {"containers": beside(of("app", {"health": "unhealthy"})), "verify": {}, "want": {"unhealthy"}},
	"unhealthy, not asked for": {
		"containers": beside(of("app", {"health": "unhealthy"})),
		"verify": {"healthy": false},
		"want": set(),
	},
	"one-shot at work": {"containers": [of("app", {}), of("migrate", {})], "verify": {}, "want": {"not-done"}},
	"one-shot failed": {
		"containers": [of("app", {}), object.union(ended("migrate", "no"), {"exit_code": 1})],
		"verify": {},
		"want": {"exited"},
	},
	"one-shot gone": {"containers": [of("app", {})], "verify": {}, "want": {"missing"}},
	"restarted": {"containers": settled, "verify": {"restarted": ["web_app"]}, "want": {"restarted"}},
	"restarted, not asked for health": {
		"containers": beside(of("app", {"health": "starting"})),
		"verify": {"healthy": false, "restarted": ["web_app"]},
		"want": {"restarted"},
	},
	"restarted, and down": {
		"containers": beside(ended("app", "always")),
		"verify": {"restarted": ["web_app"]},
		"want": {"exited"},
	},
	"a one-shot that ran twice": {"containers": settled, "verify": {"restarted": ["web_migrate"]}, "want": set()},
	"nothing there": {"containers": [], "verify": {}, "want": {"missing"}},
	"a pod's own container": {
		"containers": array.concat(settled, [given.container("web_infra", {"infra": true, "state": "exited"})]),
		"verify": {},
		"want": set(),
	},
}

# By a start the unit is activating, by hand it may be in any state.
test_verify[name] if {
	some name, c in verify_cases
	every active_state in ["activating", "active", "inactive", "failed", "deactivating"] {
		unit := verified(active_state, c.containers, c.verify)
		services := object.get(c, "services", unit.services)
		findings := rule.finding with input as given.document([object.union(unit, {"services": services})])
			with data.settings.restart as []
		given.rows(findings) == {["web.service", "block", "page", case] | some case in c.want}
	}
}

test_verify_of_nothing_recorded[name] if {
	some name, c in {
		"no container": {"containers": [], "want": {"no-containers"}},
		"all ended": {"containers": [ended("app", "no")], "want": {"none-running"}},
		"up": {"containers": [of("app", {})], "want": set()},
	}
	unit := object.union(verified("activating", c.containers, {}), {"services": []})
	findings := rule.finding with input as given.document([unit])
	{finding.evidence.case | some finding in findings} == c.want
}

test_verify_says_what_it_waits_for if {
	waiting := [of("app", {"health": "starting"}), of("db", {}), of("migrate", {})]
	unit := verified("activating", waiting, {"restarted": ["web_db"]})
	findings := rule.finding with input as given.document([unit])
	{[finding.message, finding.evidence.expected] | some finding in findings} == {
		["web.service: container web_app runs, but its health check has not passed yet", "running"],
		["web.service: container web_db started again while it was to settle", "running"],
		["web.service: container web_migrate is to run to its end, and has not ended yet", "exited (0)"],
	}
}

test_verify_between_restarts if {
	findings := rule.finding with input as given.document([object.union(
		between_restarts("web.service", {}),
		{"services": [app], "verify": {"restarted": [], "healthy": true}},
	)])
	given.rows(findings) == {
		["web.service", "block", "page", "auto-restart"],
		["web.service", "block", "page", "missing"],
	}
}

# A health check that gives no result for longer than its settings allow: wrong
# while the container runs, and said once where it is unhealthy as well. Right while
# stackctl verifies, as that waits for the check itself.
test_unchecked[name] if {
	some name, c in {
		"starting for ever": {"is": {"health": "starting"}, "want": {"unchecked"}},
		"healthy long ago": {"is": {"health": "healthy"}, "want": {"unchecked"}},
		"unhealthy long ago": {"is": {"health": "unhealthy"}, "want": {"unhealthy"}},
		"checked in time": {"is": {"check": {"overdue": false}}, "want": set()},
		"a pod's own container": {"is": {"infra": true}, "want": set()},
	}
	containers := [of("app", object.union({"check": {"overdue": true}}, c.is)), of("db", {})]
	findings := rule.finding with input as given.document([stack("web.service", "active", containers)])
		with data.settings.restart as []
	{finding.evidence.case | some finding in findings} == c.want
}

test_unchecked_while_verified if {
	unit := verified("active", beside(of("app", {"check": {"overdue": true}})), {})
	findings := rule.finding with input as given.document([unit]) with data.settings.restart as []
	findings == set()
}

# under_way is a stack with one service, which began to start or to stop at a time.
under_way(state, since, containers, limit) := object.union(stack("web.service", state, containers), {
	"services": [app],
	"loaded": {"state_change": since, "timeout_start_sec": limit},
})

# A start or a stop under way: wrong once it takes longer than it may.
test_takes_too_long[name] if {
	killed := [of("app", {"state": "exited", "health": "", "exit_code": 137})]

	some name, c in {
		"stops for an hour": {"is": ["deactivating", "2026-05-04T02:02:01Z", killed, 180], "want": {"exited"}},
		"stops for a minute": {"is": ["deactivating", "2026-05-04T03:01:01Z", killed, 180], "want": set()},
		"starts for an hour": {"is": ["activating", "2026-05-04T02:02:01Z", [], -1], "want": {"missing"}},
		"reloads for an hour": {"is": ["reloading", "2026-05-04T02:02:01Z", [], -1], "want": {"missing"}},
		"reloads for a minute": {"is": ["reloading", "2026-05-04T03:01:01Z", [], -1], "want": set()},
		"starts for a minute": {"is": ["activating", "2026-05-04T03:01:01Z", [], -1], "want": set()},
		"starts within its limit": {"is": ["activating", "2026-05-04T02:02:01Z", [], 7200], "want": set()},
	}
	[state, since, containers, limit] := c.is
	findings := rule.finding with input as given.document([under_way(state, since, containers, limit)])
		with data.settings.restart as []
	{finding.evidence.case | some finding in findings} == c.want
}

# Without a record that can be read, a missing container cannot be noticed.
unreadable := {"state": "unreadable", "error": "web.json: unexpected EOF", "changed": []}

test_unknown_services[name] if {
	some name, c in {
		"a record that cannot be read": {
			"unit": object.union(stack("web.service", "active", [ok]), {"applied": unreadable}),
			"collectors": {}, "want": {["web.service", "block", "unknown", "record-unreadable"]},
		},
		"records were not read": {
			"unit": stack("web.service", "active", [ok]),
			"collectors": {"applied": {"ok": false, "error": "timed out"}},
			"want": {["web.service", "block", "unknown", "gap"]},
		},
		"a record that cannot be read, in facts whose records were not read": {
			"unit": object.union(stack("web.service", "active", [ok]), {"applied": unreadable}),
			"collectors": {"applied": {"ok": false, "error": "timed out"}},
			"want": {["web.service", "block", "unknown", "gap"]},
		},
		"what is seen is reported": {
			"unit": object.union(stack("web.service", "active", [ok, down]), {"applied": unreadable}),
			"collectors": {},
			"want": {["web.service", "block", "unknown", "record-unreadable"], ["web.service", "block", "page", "exited"]},
		},
		"the compose files name the services": {
			"unit": object.union(
				unrecorded("files", [ok], [given.service("app", {})]),
				{"applied": unreadable},
			),
			"collectors": {}, "want": set(),
		},
		"a stack that is stopped": {
			"unit": object.union(stack("web.service", "inactive", []), {"applied": unreadable}),
			"collectors": {}, "want": set(),
		},
	}
	doc := object.union(given.document([c.unit]), {"collectors": c.collectors})
	findings := rule.finding with input as doc with data.settings as {}
	given.rows(findings) == c.want
}
