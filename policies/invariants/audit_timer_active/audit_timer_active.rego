# METADATA
# title: the audit's own timer or watch is active
# description: |
#   stackpolicy-audit.timer starts the audit, which reports everything else. Instead
#   of the timer, stackpolicy-watch.service may run, which audits, too. If no
#   audit runs there are no alerts, which looks as if all were well
#   (systemd.timer(5)).
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [manager]
#   actions: []
#   runbook: audit_timer_active.md
package stackpolicy.invariants.audit_timer_active

import data.stackpolicy.lib

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("stackpolicy-audit.timer %s: audits only run by hand", [says(case)]),
	"evidence": {
		"case": case,
		"expected": "active",
		"found": lib.non_empty(input.manager.audit_timer.active_state, "unknown"),
	},
} if {
	input.manager.audit_timer.active_state != "active"
	not watched
	not watch_problem
	case := kind(input.manager.audit_timer.load_state)
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": "stackpolicy-audit.timer is active, but it will never elapse again: audits only run by hand",
	"evidence": {"case": "elapsed", "expected": "waiting", "found": "elapsed"},
} if {
	input.manager.audit_timer.active_state == "active"
	input.manager.audit_timer.sub_state == "elapsed"
	not watched
}

# It was masked or removed while it ran.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("stackpolicy-audit.timer runs, but is %s: it will not start again, as at the next boot", [found]),
	"evidence": {"case": "last-run", "expected": "loaded", "found": found},
} if {
	input.manager.audit_timer.active_state == "active"
	found := input.manager.audit_timer.load_state
	found != "loaded"
	not watched
}

# The watch was to audit instead of the timer.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("stackpolicy-watch.service %s, and stackpolicy-audit.timer is not active: audits only run by hand", [watch_says[case]]),
	"evidence": {
		"case": case,
		"expected": "active",
		"found": input.manager.watch.active_state,
	},
} if {
	input.manager.audit_timer.active_state != "active"
	case := watch_problem
	case != "watch-last-run"
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("stackpolicy-watch.service runs, but is %s: it will not start again, as at the next boot", [found]),
	"evidence": {"case": "watch-last-run", "expected": "loaded", "found": found},
} if {
	input.manager.audit_timer.active_state != "active"
	watch_problem == "watch-last-run"
	found := input.manager.watch.load_state
}

watched if {
	input.manager.watch.load_state == "loaded"
	watch_works
}

# It audits also before it is ready, and while it reads its configuration again.
watch_works if input.manager.watch.active_state in {"active", "reloading", "refreshing"}

watch_works if {
	input.manager.watch.active_state == "activating"
	not watch_waits
}

watch_waits if {
	input.manager.watch.active_state == "activating"
	startswith(input.manager.watch.sub_state, "auto-restart")
}

# Of a host that has both units, and neither runs, it is not known which is to run: its
# finding is about the timer.
watch_problem := "watch-last-run" if {
	watch_works
	input.manager.watch.load_state != "loaded"
} else := "watch-failed" if {
	input.manager.watch.active_state == "failed"
} else := "watch-restarts" if {
	watch_waits
} else := "watch-stopped" if {
	input.manager.watch.load_state == "loaded"
	not watch_works
	kind(input.manager.audit_timer.load_state) == "not-installed"
}

watch_says := {
	"watch-failed": "has failed",
	"watch-restarts": "has failed and waits for its restart",
	"watch-stopped": "is not active",
}

kind(load_state) := "not-installed" if load_state in {"", "not-found"}

kind("masked") := "masked"

kind(load_state) := "stopped" if not load_state in {"", "not-found", "masked"}

says("not-installed") := "is not installed"

says("masked") := "is masked"

says("stopped") := "is not active"
