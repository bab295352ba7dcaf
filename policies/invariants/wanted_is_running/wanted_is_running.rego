# METADATA
# title: a unit that an active target wants is running
# description: |
#   default.target, timers.target and others want units that should always run. A
#   unit that was stopped by hand, together with a unit that it requires, or by a
#   switch, and a unit that was never started, stay inactive: nothing starts them
#   again (systemd.unit(5), Wants=). Not reported are a oneshot that succeeded, a
#   unit whose condition is not met, a unit that an active timer, socket or path
#   starts, and a unit that is about to start. While the manager or an activation
#   starts units, nothing is reported. Other invariants report failed units
#   (unit_not_failed), units that wait for their next restart (unit_not_flapping),
#   and units without a usable file (fragment_in_user_dir). A timer that is to elapse again
#   and again, and never will, does not run either, although it is active.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: page
#   needs: [manager, units.loaded]
#   optional: [declared]
#   actions: []
#   runbook: wanted_is_running.md
#   running: true
package stackpolicy.invariants.wanted_is_running

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s is not running although %s wants it: %s", [unit.name, target, says(case, unit)]),
	"evidence": {
		"case": case,
		"path": unit.loaded.fragment_path,
		"expected": "active",
		"found": unit.loaded.active_state,
		"wanted_by": unit.loaded.wanted_by,
		"requirements": unit.loaded.requirements_down,
		"stopped_at": object.get(unit.loaded, "state_change", "never"),
	},
} if {
	not starting_or_stopping
	some unit in input.units
	unit.loaded.active_state == "inactive" # few are: saves the rest
	unit.managed_by != ""
	unit.loaded.load_state == "loaded"
	not right_as_it_is(unit.name, unit.loaded)
	target := unit.loaded.wanted_by[0]
	case := cause(unit.loaded)
}

# A timer that has elapsed for the last time, although it is to elapse again and again.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s is active, but it will never elapse again", [unit.name]),
	"evidence": {
		"case": "elapsed",
		"path": unit.loaded.fragment_path,
		"expected": "waiting",
		"found": unit.loaded.sub_state,
		"since": object.get(unit.loaded, "state_change", "unknown"),
	},
} if {
	some unit in input.units
	unit.loaded.repeats # few do: saves the rest
	unit.managed_by != ""
	unit.loaded.active_state == "active"
	unit.loaded.sub_state == "elapsed"
	unit.loaded.wanted_by != []
	unit.name != "stackpolicy-audit.timer"
}

starting_or_stopping if input.manager.state in {"initializing", "starting", "stopping"}

starting_or_stopping if input.declared.activation.state == "running"

# audit_timer_active reports the audit's timer and watch.
right_as_it_is(name, _) if name in {"stackpolicy-audit.timer", "stackpolicy-watch.service"}

right_as_it_is(_, loaded) if loaded.job in {"start", "restart", "verify-active"}

right_as_it_is(_, loaded) if loaded.triggered_by != []

right_as_it_is(_, loaded) if loaded.condition == "not-met"

# ExecCondition=, which is checked at each start.
right_as_it_is(_, loaded) if loaded.result == "exec-condition"

# A oneshot that is done. One that never ran has no time of its start.
right_as_it_is(_, loaded) if {
	loaded.type == "oneshot"
	not loaded.remain_after_exit
	loaded.result == "success"
	loaded.inactive_exit
}

cause(loaded) := "requirement" if {
	loaded.requirements_down != []
} else := "assertion" if {
	loaded.assertion == "not-met"
} else := "never-started" if {
	not loaded.inactive_exit
} else := "stopped"

says("requirement", unit) := sprintf("it requires %s, which is down", [unit.loaded.requirements_down[0]])

says("assertion", _) := "its Assert…= settings are not met"

says("never-started", unit) := sprintf("it was never started. Start it: `systemctl --user start %s`", [unit.name])

says("stopped", unit) := sprintf(
	"it stopped at %s. Start it: `systemctl --user start %s`",
	[object.get(unit.loaded, "state_change", "an unknown time"), unit.name],
)
