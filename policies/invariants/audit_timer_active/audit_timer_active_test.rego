package stackpolicy.invariants.audit_timer_active_test

import data.stackpolicy.invariants.audit_timer_active as rule
import data.stackpolicy.lib_test as given

audited_by(timer, watch) := object.union(given.document([]), {"manager": {"audit_timer": timer, "watch": watch}})

off := {"load_state": "loaded", "active_state": "inactive", "sub_state": "dead"}

missing := {"load_state": "not-found", "active_state": "inactive", "sub_state": "dead"}

watch(load_state, active_state, sub_state) := {"load_state": load_state, "active_state": active_state, "sub_state": sub_state}

timed(timer) := object.union(given.document([]), {"manager": {"audit_timer": timer}})

test_finding if {
	findings := rule.finding with input as timed({"load_state": "not-found", "active_state": "inactive"})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "stackpolicy-audit.timer is not installed: audits only run by hand",
		"evidence": {"case": "not-installed", "expected": "active", "found": "inactive"},
	}}
}

cases := {
	"holds": {"doc": given.document([]), "want": set()},
	"stopped": {
		"doc": timed({"load_state": "loaded", "active_state": "failed"}),
		"want": {["host", "block", "ticket", "stopped"]},
	},
	"elapsed": {
		"doc": timed({"sub_state": "elapsed"}),
		"want": {["host", "block", "ticket", "elapsed"]},
	},
	"masked while it runs": {
		"doc": timed({"load_state": "masked"}),
		"want": {["host", "block", "ticket", "last-run"]},
	},
	"removed while it runs": {
		"doc": timed({"load_state": "not-found"}),
		"want": {["host", "block", "ticket", "last-run"]},
	},
	"waiting": {"doc": timed({"sub_state": "waiting"}), "want": set()},
	"masked": {
		"doc": timed({"load_state": "masked", "active_state": "inactive"}),
		"want": {["host", "block", "ticket", "masked"]},
	},
	"unknown": {
		"doc": timed({"load_state": "", "active_state": ""}),
		"want": {["host", "block", "ticket", "not-installed"]},
	},
	"manager missing": {"doc": given.without(given.document([]), ["manager"]), "want": set()},
}

# While the watch is right, it does not matter what the timer is.
test_watched[name] if {
	some name, c in {
		"running": watch("loaded", "active", "running"),
		"reloading": watch("loaded", "reloading", "reload"),
		"starting": watch("loaded", "activating", "start"),
		"refreshing": watch("loaded", "refreshing", "refresh"),
	}
	every timer in [
		off, missing,
		{"load_state": "masked", "active_state": "inactive"},
		{"load_state": "masked", "active_state": "active"},
		{"load_state": "loaded", "active_state": "active", "sub_state": "elapsed"},
		{"load_state": "loaded", "active_state": "active", "sub_state": "waiting"},
	] {
		findings := rule.finding with input as audited_by(timer, c)
		findings == set()
	}
}

# While the timer is right, it does not matter what the watch is.
test_timer_is_enough[name] if {
	some name, c in {
		"missing": missing, "stopped": off, "failed": watch("loaded", "failed", "failed"),
		"waiting": watch("loaded", "activating", "auto-restart"), "masked while it runs": watch("masked", "active", "running"),
	}
	findings := rule.finding with input as audited_by({"sub_state": "waiting"}, c)
	findings == set()
}

unwatched := {
	"both stopped": {"timer": off, "watch": off, "want": "stopped"},
	"no watch": {"timer": off, "watch": missing, "want": "stopped"},
	"neither": {"timer": missing, "watch": missing, "want": "not-installed"},
	"watch masked": {"timer": off, "watch": watch("masked", "inactive", "dead"), "want": "stopped"},
	"only the watch, stopped": {"timer": missing, "watch": off, "want": "watch-stopped"},
	"only the watch, stopping": {"timer": missing, "watch": watch("loaded", "deactivating", "stop-sigterm"), "want": "watch-stopped"},
	"the timer masked, the watch stopped": {"timer": watch("masked", "inactive", "dead"), "watch": off, "want": "masked"},
	"the watch failed": {"timer": off, "watch": watch("loaded", "failed", "failed"), "want": "watch-failed"},
	"only the watch, failed": {"timer": missing, "watch": watch("loaded", "failed", "failed"), "want": "watch-failed"},
	"failed, and its file is gone": {"timer": off, "watch": watch("not-found", "failed", "failed"), "want": "watch-failed"},
	"waits for its restart": {"timer": off, "watch": watch("loaded", "activating", "auto-restart"), "want": "watch-restarts"},
	"queued for its restart": {"timer": off, "watch": watch("loaded", "activating", "auto-restart-queued"), "want": "watch-restarts"},
	"the watch masked while it runs": {"timer": off, "watch": watch("masked", "active", "running"), "want": "watch-last-run"},
	"the watch removed while it runs": {"timer": missing, "watch": watch("not-found", "active", "running"), "want": "watch-last-run"},
	"the timer elapsed, the watch failed": {
		"timer": {"load_state": "loaded", "active_state": "active", "sub_state": "elapsed"},
		"watch": watch("loaded", "failed", "failed"),
		"want": "elapsed",
	},
}

test_unwatched[name] if {
	some name, c in unwatched
	findings := rule.finding with input as audited_by(c.timer, c.watch)
	given.rows(findings) == {["host", "block", "ticket", c.want]}
}

test_watch_message if {
	findings := rule.finding with input as audited_by(missing, watch("loaded", "activating", "auto-restart"))
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "stackpolicy-watch.service has failed and waits for its restart, and stackpolicy-audit.timer is not active: audits only run by hand",
		"evidence": {"case": "watch-restarts", "expected": "active", "found": "activating"},
	}}
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
