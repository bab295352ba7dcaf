# METADATA
# title: every drop-in of a managed unit comes from the user's unit folder and is declared
# description: |
#   A drop-in changes a unit from any folder, although the unit's own file is
#   correct: /etc, the runtime folders (systemctl set-property, edit --runtime),
#   prefix folders (web-.service.d) and type folders (service.d). The rule checks
#   every drop-in that is loaded, or would be after a reload (systemd.unit(5)). If
#   a declared file in the user's folder is not as declared, file_declared reports
#   it. Drop-ins that podman's generator adds to a quadlet are not reported. If the
#   name of a drop-in is not UTF-8, the manager cannot say which ones it has loaded.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: provenance
#   severity: page
#   needs: [manager, units.loaded, units.files, units.reload]
#   optional: [units.history]
#   actions: [daemon-reload]
#   runbook: dropins_owned.md
package stackpolicy.invariants.dropins_owned

import data.stackpolicy.lib

finding contains {
	"subject": s.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s changes %s, but %s", [s.path, s.subject, because[s.case]]),
	"evidence": {"case": s.case, "path": s.path, "expected": expected, "found": s.found},
} if {
	some s in stray
	s.case != "distribution"
}

finding contains {
	"subject": s.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s changes %s, but %s", [s.path, s.subject, because[s.case]]),
	"evidence": {"case": s.case, "path": s.path, "expected": expected, "found": s.found},
} if {
	some s in stray
	s.case == "distribution"
	not data.settings.trust_distribution_dropins
}

finding contains {
	"subject": g.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": sprintf("%s is gone from disk, but still changes %s as loaded", [g.path, g.subject]),
	"evidence": {"case": "gone", "path": g.path, "expected": expected, "found": "loaded, not on disk"},
	"action": "daemon-reload",
} if {
	some g in gone
	lib.reload_safe(g.would_load, g.would_drop)
	not g.subject in helpless
}

# The last reload has read all that is there now.
finding contains {
	"subject": g.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s is gone from disk, but still changes %s after a reload", [g.path, g.subject]),
	"evidence": {
		"case": "gone", "path": g.path, "expected": expected,
		"found": "loaded, not on disk", "reloaded": input.manager.loaded_at,
	},
} if {
	some g in gone
	lib.reload_safe(g.would_load, g.would_drop)
	g.subject in helpless
}

helpless contains unit.name if {
	some unit in input.units
	lib.reload_did_not_help(unit.history, unit.files, input.manager.loaded_at, "dropins_owned")
}

finding contains {
	"subject": g.subject,
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s is gone, but still changes %s: a reload is withheld", [g.path, g.subject]),
	"evidence": {
		"case": "withheld",
		"path": g.path,
		"expected": expected,
		"found": "loaded, not on disk",
		"culprit": lib.culprit(g.would_load, g.would_drop),
	},
} if {
	some g in gone
	not lib.reload_safe(g.would_load, g.would_drop)
}

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": sprintf("the manager cannot say what changes %s: the name of a drop-in is not UTF-8", [unit.name]),
	"evidence": {"case": "unsaid", "expected": expected, "found": "names that the manager cannot say"},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.dropins_unsaid
	not unit.name in {s.subject | some s in stray} # which then says enough
}

expected := "a declared drop-in in the user's unit folder"

because := {
	"etc": "belongs to the system, not to this user",
	"outranking": "was made at run time",
	"undeclared": "it is not declared",
	"distribution": "comes with the distribution",
	"other": "is outside the user's unit folder",
}

stray contains {
	"subject": unit.name,
	"case": misplaced(file.origin, file.state, unit.quadlet),
	"path": file.path,
	"found": sprintf("%s, %s", [file.origin, file.state]),
} if {
	some unit in input.units
	unit.managed_by != ""
	some file in unit.files
	file.role in {"dropin", "source-dropin"}
	[file.origin, file.state] != ["user", "declared"] # most are: saves the rest
	file.kind != "missing"
	in_force(file.effective, file.loaded)
}

# file_declared reports a declared drop-in that is gone.
gone contains {
	"subject": unit.name,
	"path": path,
	"would_load": unit.reload.loads_undeclared,
	"would_drop": unit.reload.drops_declared,
} if {
	some unit in input.units
	unit.managed_by != ""
	some path in unit.loaded.dropin_paths
	not path in {file.path | some file in unit.files; file.kind != "missing"}
	not path in {file.path | some file in unit.files; file.declared_target != ""}
}

# A drop-in of the same name in a folder with higher priority replaces this one.
in_force(true, _)

in_force(false, true)

misplaced("user", state, _) := "undeclared" if state in {"undeclared", "generated"}

misplaced(origin, _, _) := origin if origin in {"etc", "distribution"}

misplaced(origin, _, _) := "outranking" if origin in {"control", "runtime"}

misplaced("generator", _, false) := "outranking"

misplaced(origin, _, _) := "other" if {
	not origin in {"user", "etc", "distribution", "control", "runtime", "generator"}
}
