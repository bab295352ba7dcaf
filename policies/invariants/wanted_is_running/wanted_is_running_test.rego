# Reported: stopped by hand, stopped with a unit that it requires,
# stopped by a switch, ended although it is a service, a oneshot that remains
# after its exit and was stopped, never started, an assertion that is not met; the
# same for timers, sockets, and instances of templates; wanted by several targets.
#
# Not reported: active; a oneshot that succeeded; a condition that is not met, by
# Condition…= or ExecCondition=; a unit that an active timer, socket or path starts;
# a start that is queued or running; a stop or a restart that is running; a manager
# that is starting or stopping; an activation that is running; a target that is not
# active; no target; not managed. Other invariants report a failed unit, a unit that
# waits for its next restart, a unit without a usable file, and the audit's timer.
package stackpolicy.invariants.wanted_is_running_test

import data.stackpolicy.invariants.wanted_is_running as rule
import data.stackpolicy.lib_test as given

# idle is a service that ran until it was stopped, with changes to what is loaded.
idle(name, changes) := given.unit(name, {"stack": "", "containers": [], "loaded": object.union(
	{
		"active_state": "inactive", "sub_state": "dead", "type": "simple", "remain_after_exit": false,
		"inactive_exit": "2026-05-04T01:00:00Z", "active_enter": "2026-05-04T01:00:01Z",
		"active_exit": "2026-05-04T02:10:00Z", "state_change": "2026-05-04T02:10:00Z",
	},
	changes,
)})

# fresh is a unit that was never started.
fresh(name, changes) := object.union(
	object.remove(idle(name, {}), ["loaded"]),
	{"loaded": object.union(
		object.remove(idle(name, {}).loaded, ["inactive_exit", "active_enter", "active_exit", "state_change"]),
		changes,
	)},
)

page(name, case) := {[name, "block", "page", case]}

wrong := {
	"stopped": [idle("web.service", {}), "stopped"],
	"stopped while others trigger it no more": [idle("web.service", {"triggered_by": []}), "stopped"],
	"stopped, and its condition was met": [idle("web.service", {"condition": "met", "assertion": "met"}), "stopped"],
	"stopped with what it requires": [idle("web.service", {"requirements_down": ["db.service"]}), "requirement"],
	"never started, as what it requires is down": [
		fresh("web.service", {"requirements_down": ["db.service"]}),
		"requirement",
	],
	"never started": [fresh("web.service", {}), "never-started"],
	"a oneshot that never ran": [fresh("web.service", {"type": "oneshot"}), "never-started"],
	"an assertion": [fresh("web.service", {"assertion": "not-met"}), "assertion"],
	"a oneshot that remains, stopped": [
		idle("web.service", {"type": "oneshot", "remain_after_exit": true}),
		"stopped",
	],
	"a stop that is queued": [idle("web.service", {"job": "stop"}), "stopped"],
	"a timer": [idle("backup.timer", {"type": "", "result": ""}), "stopped"],
	"a socket that was never started": [fresh("web.socket", {"type": "", "result": ""}), "never-started"],
	"an instance": [idle("web@one.service", {}), "stopped"],
	"stopped before it was ever active": [
		fresh("web.service", {"inactive_exit": "2026-05-04T01:00:00Z"}),
		"stopped",
	],
	"wanted by several": [
		idle("web.service", {"wanted_by": ["default.target", "home.target"]}),
		"stopped",
	],
}

test_wrong[name] if {
	some name, [unit, case] in wrong
	findings := rule.finding with input as given.document([unit])
	given.rows(findings) == page(unit.name, case)
}

right := {
	"active": given.unit("web.service", {}),
	"a oneshot that succeeded": idle("web.service", {"type": "oneshot"}),
	"a condition that is not met": fresh("web.service", {"condition": "not-met"}),
	"ExecCondition=": idle("web.service", {"result": "exec-condition"}),
	"what a timer starts": idle("web.service", {"triggered_by": ["web.timer"]}),
	"what a socket starts": fresh("web.service", {"triggered_by": ["web.socket"]}),
	"a start that is queued": idle("web.service", {"job": "start"}),
	"a restart under way": idle("web.service", {"job": "restart"}),
	"activating": idle("web.service", {"active_state": "activating"}),
	"deactivating": idle("web.service", {"active_state": "deactivating"}),
	"reloading": idle("web.service", {"active_state": "reloading"}),
	"wanted by no active target": idle("web.service", {"wanted_by": []}),
	"failed, which is unit_not_failed's": idle("web.service", {"active_state": "failed"}),
	"waits for its restart, which is unit_not_flapping's": idle(
		"web.service",
		{"active_state": "activating", "sub_state": "auto-restart"},
	),
	"no file, which is fragment_in_user_dir's": idle("web.service", {"load_state": "not-found"}),
	"masked, which is fragment_in_user_dir's": idle("web.service", {"load_state": "masked"}),
	"the audit's timer, which is audit_timer_active's": idle("stackpolicy-audit.timer", {}),
	"the watch, too": idle("stackpolicy-watch.service", {}),
	"not managed": object.union(idle("web.service", {}), {"managed_by": ""}),
	"a template": given.template("web@.service", {}),
}

test_right[name] if {
	some name, unit in right
	findings := rule.finding with input as given.document([unit])
	findings == set()
}

test_manager_busy[state] if {
	doc := given.document([idle("web.service", {})])

	some state in ["initializing", "starting", "stopping"]
	findings := rule.finding with input as object.union(doc, {"manager": {"state": state}})
	findings == set()
}

test_manager_degraded if {
	doc := object.union(given.document([idle("web.service", {})]), {"manager": {"state": "degraded"}})
	findings := rule.finding with input as doc
	given.rows(findings) == page("web.service", "stopped")
}

test_activation_running if {
	doc := object.union(given.document([idle("web.service", {})]), {"declared": {"activation": {"state": "running"}}})
	findings := rule.finding with input as doc
	findings == set()
}

test_activation_unknown if {
	doc := given.without(given.document([idle("web.service", {})]), ["declared"])
	findings := rule.finding with input as doc
	given.rows(findings) == page("web.service", "stopped")
}

test_several if {
	findings := rule.finding with input as given.document([
		idle("web.service", {}), given.unit("app.service", {}), fresh("db.service", {}),
	])
	given.rows(findings) == page("web.service", "stopped") | page("db.service", "never-started")
}

# A timer that is active, and will not elapse again.
test_elapsed[name] if {
	page_of := {["tick.timer", "block", "page", "elapsed"]}
	some name, c in {
		"elapsed": {"is": {}, "want": page_of},
		"waits": {"is": {"sub_state": "waiting"}, "want": set()},
		"its service runs": {"is": {"sub_state": "running"}, "want": set()},
		"was to elapse once": {"is": {"repeats": false}, "want": set()},
		"nothing wants it": {"is": {"wanted_by": []}, "want": set()},
	}
	loaded := object.union({"sub_state": "elapsed", "type": "", "repeats": true, "wanted_by": ["timers.target"]}, c.is)
	timer := given.unit("tick.timer", {"stack": "", "containers": [], "loaded": loaded})
	findings := rule.finding with input as given.document([
		timer,
		object.union(timer, {"name": "other.timer", "managed_by": ""}),
		object.union(timer, {"name": "stackpolicy-audit.timer"}),
	])
	given.rows(findings) == c.want
}

test_says_what_to_do if {
	findings := rule.finding with input as given.document([idle("web.service", {})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": concat(" ", [
			"web.service is not running although default.target wants it: it stopped at 2026-05-04T02:10:00Z.",
			"Start it: `systemctl --user start web.service`",
		]),
		"evidence": {
			"case": "stopped",
			"path": "/home/ada/.config/systemd/user/web.service",
			"expected": "active",
			"found": "inactive",
			"wanted_by": ["default.target"],
			"requirements": [],
			"stopped_at": "2026-05-04T02:10:00Z",
		},
	}}
}

test_names_the_requirement if {
	unit := idle("web.service", {"requirements_down": ["db.service", "net.service"]})
	findings := rule.finding with input as given.document([unit])
	{finding.message | some finding in findings} == {concat("", [
		"web.service is not running although default.target wants it: ",
		"it requires db.service, which is down",
	])}
}
