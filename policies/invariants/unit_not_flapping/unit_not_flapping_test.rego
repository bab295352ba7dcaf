# Reported: a container that ends every second and runs at the moment; a container,
# or a unit, that ends every half hour for months; a unit with a very high counter
# and a short present run; a plain unit that waits for its restart for the third
# time, or for longer than a minute.
#
# Not reported: no restart; a few restarts; an old counter that no longer grows;
# many restarts over a long time, the last of them just now; a restart by a
# deployment, which resets the counters; a container that is paused; a unit that
# crashed once and waits for its restart; a stack that waits and a container that is
# down, which stack_running reports; a unit that is not managed.
package stackpolicy.invariants.unit_not_flapping_test

import data.stackpolicy.invariants.unit_not_flapping as rule
import data.stackpolicy.lib_test as given

# restarted is a stack with a container, of which the restarts, the creation and
# the last start are given. It is 2026-05-04T03:02:01Z.
restarted(restarts, created, started, changes) := given.unit("web.service", {"containers": [given.container(
	"web_app",
	object.union({"restarts": restarts, "created_at": created, "started_at": started}, changes),
)]})

# counted is a plain service with restarts that is active since a time.
counted(restarts, since, changes) := given.unit("db.service", {"stack": "", "containers": [], "loaded": object.union(
	{"type": "simple", "n_restarts": restarts, "active_enter": since, "state_change": since},
	changes,
)})

# waiting is a plain service that is down until its next restart.
waiting(restarts, since) := counted(restarts, since, {"active_state": "activating", "sub_state": "auto-restart"})

wrong := {
	"a container, every second": [
		restarted(17, "2026-05-04T03:01:41Z", "2026-05-04T03:02:00.5Z", {}),
		"container",
	],
	"a container, every half hour for months": [
		restarted(4000, "2026-02-03T03:02:01Z", "2026-05-04T02:35:00Z", {}),
		"container",
	],
	"a container, five times within the hour": [
		restarted(5, "2026-05-04T02:10:00Z", "2026-05-04T02:55:00Z", {}),
		"container",
	],
	"a unit, every second": [counted(300, "2026-05-04T03:02:00Z", {}), "unit"],
	"a unit with a high counter, long after the manager's start": [
		object.union(counted(4000, "2026-05-04T03:02:00Z", {}), {}),
		"unit",
	],
	"waits for the third time": [waiting(3, "2026-05-04T03:02:00Z"), "waiting"],
	"waits for long": [waiting(0, "2026-05-04T03:00:00Z"), "waiting"],
	"waits, as systemd 257 calls it": [
		object.union(waiting(9, "2026-05-04T03:02:00Z"), {"loaded": {"sub_state": "auto-restart-queued"}}),
		"waiting",
	],
}

test_wrong[name] if {
	some name, [unit, case] in wrong
	findings := rule.finding with input as given.document([unit])
	given.rows(findings) == {[unit.name, "block", "page", case]}
}

right := {
	"no restart": restarted(0, "2026-05-04T03:01:41Z", "2026-05-04T03:01:41Z", {}),
	"a few, just now": restarted(4, "2026-05-04T03:01:41Z", "2026-05-04T03:02:00Z", {}),
	"an old counter that does not move": restarted(4000, "2026-01-01T00:00:00Z", "2026-03-06T00:00:00Z", {}),
	"seldom, the last time just now": restarted(12, "2026-02-03T00:00:00Z", "2026-05-04T03:02:00Z", {}),
	"stable for three times as long": restarted(17, "2026-05-04T01:00:00Z", "2026-05-04T02:20:00Z", {}),
	"paused": restarted(17, "2026-05-04T03:01:41Z", "2026-05-04T03:02:00Z", {"state": "paused"}),
	"down": restarted(17, "2026-05-04T03:01:41Z", "2026-05-04T03:02:00Z", {"state": "exited"}),
	"not managed": object.union(
		restarted(17, "2026-05-04T03:01:41Z", "2026-05-04T03:02:00.5Z", {}),
		{"managed_by": ""},
	),
	"a unit that did not restart": counted(0, "2026-05-04T03:02:00Z", {}),
	"a unit's old counter": counted(4000, "2026-05-03T03:02:00Z", {}),
	"a unit, a few": counted(4, "2026-05-04T03:02:00Z", {}),
	"a unit that is not managed": object.union(counted(300, "2026-05-04T03:02:00Z", {}), {"managed_by": ""}),
	"one crash, waits for its restart": waiting(0, "2026-05-04T03:01:50Z"),
	"a stack that waits": object.union(waiting(9, "2026-05-04T03:00:00Z"), {"stack": "web"}),
	"a start under way": counted(9, "2026-05-04T03:02:00Z", {"active_state": "activating", "sub_state": "start"}),
	"a template": given.template("web@.service", {}),
}

test_right[name] if {
	some name, unit in right
	findings := rule.finding with input as given.document([unit])
	findings == set()
}

# A manager that is up for months: how often a unit of it restarts is not known.
test_old_manager[name] if {
	some name, c in {
		"many restarts": {"unit": counted(40, "2026-05-04T03:02:00Z", {}), "want": {"unit"}},
		"a dozen, once a week": {"unit": counted(12, "2026-05-04T03:02:00Z", {}), "want": set()},
		"many, a while ago": {"unit": counted(40, "2026-05-04T02:02:00Z", {}), "want": set()},
	}
	doc := object.union(given.document([c.unit]), {"manager": {"started_at": "2026-01-04T01:00:00Z"}})
	findings := rule.finding with input as doc
	{finding.evidence.case | some finding in findings} == c.want
}

test_message[name] if {
	some name, c in {
		"seconds": {"created": "2026-05-04T03:01:41Z", "want": "17 times in 20 seconds"},
		"minutes": {"created": "2026-05-04T02:02:01Z", "want": "17 times in 60 minutes"},
		"days": {"created": "2026-05-01T02:02:01Z", "want": "17 times in 3 days"},
	}
	findings := rule.finding with input as given.document([restarted(17, c.created, "2026-05-04T03:02:00Z", {})])
	{finding.message | some finding in findings} == {sprintf(
		"web.service: container web_app was restarted %s, the last time at 2026-05-04T03:02:00Z",
		[c.want],
	)}
}
