# METADATA
# title: the audit's own timer is active
# description: |
#   stackpolicy-audit.timer starts the audit, which reports everything else. If no
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
}

kind(load_state) := "not-installed" if load_state in {"", "not-found"}

kind("masked") := "masked"

kind(load_state) := "stopped" if not load_state in {"", "not-found", "masked"}

says("not-installed") := "is not installed"

says("masked") := "is masked"

says("stopped") := "is not active"
