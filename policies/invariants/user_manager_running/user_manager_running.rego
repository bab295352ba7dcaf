# METADATA
# title: the user manager answers and is running
# description: |
#   Without the user manager no timer fires, auto-update restarts nothing, and Home
#   Manager silently skips its reload. "degraded" only means that a unit failed,
#   which other rules report for each unit (systemctl(1), is-system-running). If
#   default.target was stopped, nothing wants the units that should always run, so
#   none of them would be missed (systemd.special(7)). This rule needs no section,
#   because it reports that the manager does not answer.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: page
#   needs: []
#   optional: [manager]
#   actions: []
#   runbook: user_manager_running.md
package stackpolicy.invariants.user_manager_running

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": "the user manager does not answer",
	"evidence": {
		"case": "no-answer",
		"expected": "running",
		"found": error,
	},
} if {
	not answered
	not has_other_folder
	not has_pipe
}

# Whoever asks for that unit, or reloads, makes the manager wait.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s is a pipe, a device or very large: when it loads that, the user manager answers nobody, so it was not asked", [path]),
	"evidence": {"case": "pipe", "path": path, "expected": "a small regular file", "found": error},
} if {
	not answered
	has_pipe
	path := trim_prefix(error, would_wait)
}

# It runs, but all else would be judged by a folder that it does not read.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "unknown",
	"message": "this audit does not have the HOME or XDG_CONFIG_HOME of the user manager, so nothing can be verified",
	"evidence": {
		"case": "other-folder",
		"expected": "the HOME and XDG_CONFIG_HOME of the manager",
		"found": error,
	},
} if {
	not answered
	has_other_folder
}

would_wait := "the manager would wait for ever: "

has_pipe if startswith(error, would_wait)

has_other_folder if startswith(error, "the manager does not search ")

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": severity(case),
	"message": sprintf("the user manager is %s, not running", [input.manager.state]),
	"evidence": {"case": case, "expected": "running", "found": input.manager.state},
} if {
	answered
	case := kind(input.manager.state)
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": "default.target is not active, so nothing keeps what it wants running",
	"evidence": {"case": "no-target", "expected": "active", "found": input.manager.default_target.active_state},
} if {
	answered
	input.manager.state in {"running", "degraded"}
	input.manager.default_target.active_state in {"inactive", "failed"}
}

default error := "not asked"

error := input.collectors.systemd.error

answered if {
	input.collectors.systemd.ok
	input.manager.state
}

kind(state) := "starting" if state in {"initializing", "starting"}

kind(state) := state if state in {"maintenance", "stopping"}

kind(state) := "other" if {
	not state in {"initializing", "starting", "running", "degraded", "maintenance", "stopping"}
}

default severity(_) := "page"

severity("starting") := "ticket"
