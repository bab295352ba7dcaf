# METADATA
# title: no unit has a file in a folder with higher priority than the one loaded
# description: |
#   A file that appears in a folder with higher priority (as when a unit moves from
#   /etc/systemd/user to the user's folder) is not read until a daemon-reload, and
#   NeedDaemonReload stays "no" (measured on systemd 252 and 257). For a unit that is
#   loaded from no file, every folder has higher priority. The manager's UnitPath
#   gives the order.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: page
#   needs: [manager, units.loaded, units.files, units.reload]
#   optional: [units.history, units.quadlet_errors]
#   actions: [daemon-reload]
#   runbook: no_unread_definition.md
package stackpolicy.invariants.no_unread_definition

import data.stackpolicy.lib

finding contains {
	"subject": p.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": sprintf("%s has not been read; the manager still has %s", [p.path, p.found]),
	"evidence": {"case": "unread", "path": p.path, "expected": p.path, "found": p.found},
	"action": "daemon-reload",
} if {
	some p in problem
	lib.reload_safe(p.would_load, p.would_drop)
	not p.subject in helpless
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s has not been read, also not by the last reload; the manager still has %s", [p.path, p.found]),
	"evidence": {"case": "unread", "path": p.path, "expected": p.path, "found": p.found},
} if {
	some p in problem
	lib.reload_safe(p.would_load, p.would_drop)
	p.subject in helpless
}

helpless contains unit.name if {
	some unit in input.units
	lib.reload_did_not_help(unit.history, unit.files, input.manager.loaded_at, "no_unread_definition")
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s has not been read: a reload is withheld", [p.path]),
	"evidence": {
		"case": "withheld",
		"path": p.path,
		"expected": p.path,
		"found": p.found,
		"culprit": lib.culprit(p.would_load, p.would_drop),
		"would_load": p.would_load,
		"would_drop": p.would_drop,
	},
} if {
	some p in problem
	not lib.reload_safe(p.would_load, p.would_drop)
}

problem contains {
	"subject": unit.name,
	"path": file.path,
	"found": lib.non_empty(loaded_path, "no file"),
	"would_load": unit.reload.loads_undeclared,
	"would_drop": unit.reload.drops_declared,
} if {
	some unit in input.units
	unit.managed_by != ""
	not unit.quadlet_errors # then quadlets_generate says why a reload would not read it
	some file in unit.files
	file.effective
	file.target != ""
	not file.loaded
	loaded_path := loaded_from(file.role, unit.loaded.fragment_path, unit.loaded.source_path)
	not outranked(file.path, loaded_path, input.manager.unit_path)
}

loaded_from("fragment", fragment_path, _) := fragment_path

loaded_from("source", _, source_path) := source_path

# outranked is true if the loaded file's folder certainly has higher priority: then
# the loaded file is gone, and this file is what a reload would use instead.
outranked(path, loaded_path, unit_path) if {
	some loaded_rank, loaded_dir in unit_path
	startswith(loaded_path, sprintf("%s/", [loaded_dir]))
	some rank, dir in unit_path
	startswith(path, sprintf("%s/", [dir]))
	loaded_rank < rank
}
