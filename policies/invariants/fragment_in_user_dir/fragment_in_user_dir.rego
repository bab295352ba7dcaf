# METADATA
# title: a managed unit is loaded from the user's unit folder
# description: |
#   The rule checks where the manager read the unit from (FragmentPath) or, for a
#   quadlet, the file it was generated from (SourcePath). Another place means that
#   somebody else's definition runs. If the link in the user's folder is gone, the
#   manager silently uses a folder with lower priority, and four folders have higher
#   priority (systemd.unit(5), "UNIT FILE LOAD PATH"). Inactive units are checked
#   too. A unit that its own declaration masks, and that does not run, is as it should
#   be. A quadlet from which podman makes no unit is reported by quadlets_generate.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: page
#   needs: [user, manager, units.loaded, units.files, units.reload]
#   optional: [units.history, units.quadlet_errors]
#   actions: [daemon-reload]
#   runbook: fragment_in_user_dir.md
package stackpolicy.invariants.fragment_in_user_dir

import data.stackpolicy.lib

finding contains {
	"subject": p.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": sprintf("%s is declared and on disk, but the manager has not read it", [p.expected]),
	"evidence": {"case": "unread", "path": p.expected, "expected": p.expected, "found": p.found},
	"action": "daemon-reload",
} if {
	some p in problem
	p.subject in waiting
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": "page",
	"message": message(p.case, p.subject, p.found, p.expected),
	"evidence": {"case": p.case, "path": p.path, "expected": p.expected, "found": p.found},
} if {
	some p in problem
	not p.subject in waiting
}

problem contains {
	"subject": unit.name,
	"case": case,
	"path": lib.non_empty(artifact.path, expected),
	"expected": expected,
	"found": found(unit.loaded.load_state, artifact.path),
} if {
	some unit in input.units
	unit.managed_by != ""
	load_state := unit.loaded.load_state
	not in_place(load_state, unit.loaded.fragment_origin)
	not is_masked_as_declared(load_state, unit.loaded.active_state, unit.files)
	not is_refused(load_state, object.get(unit, "quadlet_errors", []))

	sources := {file.path: file.origin | some file in unit.files; file.role == "source"}
	artifact := judged(
		unit.quadlet, unit.loaded.fragment_origin,
		unit.loaded.fragment_path, unit.loaded.source_path, sources,
	)
	case := misplaced(load_state, artifact.origin)

	ours := [file.path | some file in unit.files; file.role in {"fragment", "source"}; file.origin == "user"]
	expected := array.concat(ours, [sprintf("%s/%s", [input.user.unit_dir, unit.name])])[0]
}

# Units whose declared file a reload would load, if the reload is safe.
waiting contains unit.name if {
	some unit in input.units
	unit.managed_by != ""
	lib.reload_safe(unit.reload.loads_undeclared, unit.reload.drops_declared)
	not unit.quadlet_errors
	not lib.reload_did_not_help(unit.history, unit.files, input.manager.loaded_at, "fragment_in_user_dir")
	some file in unit.files
	[file.loaded, file.changed_after_load] != [true, false] # not read as it is now
	file.effective
	file.role in {"fragment", "source"}
	file.origin == "user"
	file.state in {"declared", "identical"}
}

in_place(load_state, "user") if load_state in {"loaded", "merged"}

# is_masked_as_declared is true for a mask that the generation declares: the unit is not to run.
is_masked_as_declared("masked", active_state, files) if {
	active_state in {"inactive", "failed"}
	some file in files
	file.role == "fragment"
	file.effective
	file.state == "declared"
	file.target == "/dev/null"
}

# is_refused is true for a quadlet that became no unit. quadlets_generate reports why.
is_refused("not-found", errors) if count(errors) > 0

# judged is the file that shows where a unit comes from: the source of a generated
# unit, otherwise the fragment.
judged(true, "generator", _, source_path, sources) := {
	"path": source_path,
	"origin": object.get(sources, source_path, "other"),
}

judged(quadlet, origin, path, _, _) := {"path": path, "origin": origin} if not generated(quadlet, origin)

generated(true, "generator")

misplaced(load_state, origin) := origin if {
	load_state in {"loaded", "merged"}
	origin in {"etc", "distribution"}
}

misplaced(load_state, origin) := "other" if {
	load_state in {"loaded", "merged"}
	not origin in {"user", "etc", "distribution", "control", "runtime", "generator", ""}
}

misplaced(load_state, origin) := "outranked" if {
	load_state in {"loaded", "merged"}
	origin in {"control", "runtime", "generator"}
}

# Some units (a slice) can be loaded without any file.
misplaced(load_state, "") := "not-found" if load_state in {"loaded", "merged"}

misplaced(load_state, _) := load_state if load_state in {"not-found", "masked"}

misplaced(load_state, _) := "load-error" if not load_state in {"loaded", "merged", "not-found", "masked"}

found(load_state, path) := lib.non_empty(path, "no file") if load_state in {"loaded", "merged"}

found(load_state, path) := trim_suffix(sprintf("%s: %s", [load_state, path]), ": ") if {
	not load_state in {"loaded", "merged"}
}

message("masked", subject, found, _) := sprintf("%s cannot start: it is %s", [subject, found])

message("not-found", subject, _, expected) := sprintf("%s has no unit file; expected %s", [subject, expected])

message("load-error", subject, found, _) := sprintf("%s could not be loaded: %s", [subject, found])

message(case, subject, found, expected) := sprintf("%s is loaded from %s, not from %s", [subject, found, expected]) if {
	not case in {"masked", "not-found", "load-error"}
}
