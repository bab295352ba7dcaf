# METADATA
# title: the active unit was applied after its definition last changed
# description: |
#   Starting a oneshot that is active does nothing (systemd.service(5),
#   RemainAfterExit=), so a new compose file, env file or unit file has no effect
#   until a restart. The rule compares content, with the digests that stackctl
#   recorded when it applied the stack. It does not compare times: older versions of
#   Home Manager recreate every link at each activation. It also
#   compares each container of a recorded service with what that apply made: the
#   definition, which a label says, and the image. An auto-updated container may have
#   a newer image. After a rollback what runs is older than what is declared. Containers of other services and projects are not compared, and
#   none is while stackctl works on the stack. Other invariants check whether the
#   unit is active or failed. A restart is requested only if the record proves that
#   a file changed and settings.yaml opts in.
#   A unit that does not call stackctl has no finding only because nothing is recorded.
#   A file that stackctl's preflight would refuse, such as a compose file that is gone, is
#   reported while the stack still runs: the next start will fail. No restart is requested then.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: stack
#   severity: ticket
#   needs: [units.loaded, units.applied, units.services, units.containers, units.files]
#   actions: [restart]
#   runbook: applied_is_current.md
package stackpolicy.invariants.applied_is_current

import data.stackpolicy.lib

# Only if settings.yaml opts in.
finding contains {
	"subject": p.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": p.message,
	"evidence": p.evidence,
	"action": "restart",
} if {
	some p in problem
	p.subject in restart_wanted
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": "ticket",
	"message": p.message,
	"evidence": p.evidence,
} if {
	some p in problem
	not p.subject in restart_wanted
}

# No restart: without a record it may change nothing, again and again.
restart_wanted contains p.subject if {
	some p in problem
	p.evidence.case in {"changed", "stale"}
	lib.matches_any(p.subject, data.settings.restart)
	not p.subject in refused
}

# refused are the units whose preflight would refuse a start. A restart would only stop them.
refused contains unit.name if {
	some unit in active
	lib.cannot_apply(unit)
}

in_doubt := [unit |
	some unit in active
	[unit.applied.state, unit.applied.stale, unit.applied.changed] != ["recorded", false, []] # few are
	not unit.applied.rolled_back
	not waits_for_activation(unit)
]

active := [unit |
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.active_state == "active"
]

# Its files are those of an activation that did not reach its end, and
# activation_current reports that, once for all units.
waits_for_activation(unit) if {
	some file in unit.files
	file.state == "pending"
}

problem contains {
	"subject": unit.name,
	"message": sprintf(
		"%s runs what was applied before its %s changed: %s",
		[unit.name, kinds(unit.applied.changed), first.path],
	),
	"evidence": {
		"case": "changed",
		"path": first.path,
		"expected": lib.non_empty(first.applied, "no file"),
		"found": lib.non_empty(first.found, "no file"),
		"changed": unit.applied.changed,
		"applied_at": object.get(unit.applied, "at", "unknown"),
	},
} if {
	some unit in in_doubt
	unit.applied.state == "recorded"
	not unit.name in refused
	first := unit.applied.changed[0]
}

# What runs goes on, but the next start will be refused.
problem contains {
	"subject": unit.name,
	"message": sprintf("%s cannot be applied again: %s", [unit.name, lib.cannot_apply(unit)]),
	"evidence": {
		"case": "unusable",
		"path": first.path,
		"expected": "a file that an apply can use",
		"found": first.reason,
		"role": first.role,
		"unusable": unit.applied.unusable,
	},
} if {
	some unit in active
	first := unit.applied.unusable[0]
	calls_stackctl(unit.loaded)
	not waits_for_activation(unit)
}

problem contains {
	"subject": unit.name,
	"message": sprintf("%s was applied with an older definition than the one on disk", [unit.name]),
	"evidence": {
		"case": "stale",
		"path": unit.loaded.fragment_path,
		"expected": "applied by the definition on disk",
		"found": "applied by an older one that was loaded then",
		"applied_at": object.get(unit.applied, "at", "unknown"),
	},
} if {
	some unit in in_doubt
	unit.applied.state == "recorded"
	unit.applied.changed == []
	unit.applied.stale
}

# What is declared was tried, and failed.
problem contains {
	"subject": unit.name,
	"message": sprintf("%s was rolled back, so it runs what was applied before: %s", [unit.name, back.message]),
	"evidence": {
		"case": "rolled-back",
		"path": unit.loaded.fragment_path,
		"expected": "what is declared",
		"found": "what was applied before",
		"applied_at": object.get(unit.applied, "at", "unknown"),
		"rolled_back_at": back.at,
	},
} if {
	some unit in active
	back := unit.applied.rolled_back
}

# Another program or a person replaced it. The files may be unchanged.
problem contains {
	"subject": unit.name,
	"message": sprintf("%s: container %s is not the one that was applied: %s", [unit.name, container.name, other.says]),
	"evidence": {
		"case": "replaced",
		"container": container.name,
		"service": service.name,
		"expected": other.expected,
		"found": other.found,
		"applied_at": object.get(unit.applied, "at", "unknown"),
	},
} if {
	some unit in active
	unit.applied.state == "recorded"
	some service in unit.services
	some container in unit.containers
	container.service == service.name
	other := difference(service, container) # few differ: saves the rest
	not unit.applied.busy
	containers := [c |
		some c in lib.of_services(unit)
		c.service == service.name
		c.project == unit.applied.project
	]
	container in containers
	right := [c | some c in containers; not difference(service, c)]
	count(right) < service.containers # one more may be of podman-compose run --name
}

# difference says in what a container differs from the one that was applied.
difference(service, container) := {
	"says": "no label says that stackctl made it",
	"expected": sprintf("definition %.12s", [service.definition]),
	"found": "no definition",
} if {
	service.definition != ""
	not container.labels[definition]
} else := {
	"says": "it is of another definition",
	"expected": sprintf("definition %.12s", [service.definition]),
	"found": sprintf("definition %.12s", [container.labels[definition]]),
} if {
	service.definition != ""
	container.labels[definition] != service.definition
} else := {
	"says": "it runs another image",
	"expected": sprintf("image %.12s", [service.image_id]),
	"found": sprintf("image %.12s", [container.image_id]),
} if {
	service.image_id != ""
	container.image_id != service.image_id
	not lib.auto_updated(container.auto_update)
}

# The label that stackctl gives every container.
definition := "io.stackpolicy.definition"

problem contains {
	"subject": unit.name,
	"message": sprintf("%s is active, but stackctl never applied it: it is not known what runs", [unit.name]),
	"evidence": {
		"case": "never-applied",
		"path": unit.loaded.fragment_path,
		"expected": "a record of its last apply",
		"found": "none",
	},
} if {
	some unit in in_doubt
	unit.applied.state == "none"
	calls_stackctl(unit.loaded)
}

# A unit that does not call stackctl has no record, although its compose files are
# configured. Documents of earlier versions have only the commands of ExecStartPost.
calls_stackctl(loaded) if {
	some command in object.get(loaded, "exec_start", loaded.exec_start_post)
	endswith(command.path, "/stackctl")
}

problem contains {
	"subject": unit.name,
	"message": sprintf("%s: the record of what was applied cannot be read", [unit.name]),
	"evidence": {
		"case": "unreadable",
		"path": unit.loaded.fragment_path,
		"expected": "a record of its last apply",
		"found": lib.non_empty(unit.applied.error, unit.applied.state),
	},
} if {
	some unit in in_doubt
	not unit.applied.state in {"recorded", "none"}
}

# kinds names the kinds of files: "compose and env files", "unit file".
kinds(changed) := sprintf("%s %s", [concat(" and ", {words(file.role) | some file in changed}), noun(count(changed))])

words(role) := object.get({"named": "included"}, role, role)

noun(1) := "file"

noun(files) := "files" if files != 1
