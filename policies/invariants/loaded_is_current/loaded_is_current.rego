# METADATA
# title: what is loaded is what is on disk
# description: |
#   NeedDaemonReload compares times through links. It does not work for the Nix
#   store, where every file has mtime 1 (measured on systemd 252 and 257). So it is
#   only one sign of several: settings that differ; drop-ins, links and fragments
#   that were not read or are gone; files that changed after the load. Units that
#   are loaded from no file are reported by fragment_in_user_dir. A reload reads
#   all files on disk, so it is withheld if one of them is not as declared. If a reload
#   did not help and no file changed since, or the finding is still open after the
#   grace period of settings.yaml, a person must act.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: ticket
#   needs: [manager, units.loaded, units.files, units.reload]
#   optional: [units.history, units.quadlet_errors]
#   actions: [daemon-reload]
#   runbook: loaded_is_current.md
package stackpolicy.invariants.loaded_is_current

import data.stackpolicy.lib

finding contains {
	"subject": r.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": r.message,
	"evidence": r.evidence,
	"action": "daemon-reload",
} if {
	some r in to_reload
	r.overdue_since == ""
	not r.subject in helpless
}

# The last reload has read all that is there now.
finding contains {
	"subject": r.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s; the last reload did not help, and nothing changed since", [r.message]),
	"evidence": object.union(r.evidence, {"reloaded": input.manager.loaded_at}),
} if {
	some r in to_reload
	r.overdue_since == ""
	r.subject in helpless
}

helpless contains unit.name if {
	some unit in input.units
	lib.reload_did_not_help(unit.history, unit.files, input.manager.loaded_at, "loaded_is_current")
}

# Heals did not help.
finding contains {
	"subject": r.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s, still after %s", [r.message, grace]),
	"evidence": object.union(r.evidence, {"since": r.overdue_since, "grace": grace}),
} if {
	some r in to_reload
	r.overdue_since != ""
}

finding contains {
	"subject": p.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s needs a reload (%s), which is withheld", [p.subject, concat(", ", p.reasons)]),
	"evidence": {
		"case": "withheld",
		"path": p.path,
		"reasons": p.reasons, "settings": p.settings,
		"culprit": lib.culprit(p.would_load, p.would_drop),
		"would_load": p.would_load,
		"would_drop": p.would_drop,
	},
} if {
	some p in problem
	not lib.reload_safe(p.would_load, p.would_drop)
	not waits_for_activation(p)
}

# All that a reload would read is as an activation left it that did not reach its
# end: activation_current reports that, once for all units.
waits_for_activation(p) if {
	every path in array.concat(p.would_load, p.would_drop) {
		path in p.pending
	}
}

to_reload contains {
	"subject": p.subject,
	"overdue_since": p.overdue_since,
	"message": sprintf("%s runs an older definition than the one on disk: %s", [p.subject, concat(", ", p.reasons)]),
	"evidence": {"case": "stale", "path": p.path, "reasons": p.reasons, "settings": p.settings},
} if {
	some p in problem
	lib.reload_safe(p.would_load, p.would_drop)
	p.reasons != ["file-changed"]
}

# A file that was recreated, perhaps with the content that is loaded.
to_reload contains {
	"subject": p.subject,
	"overdue_since": p.overdue_since,
	"message": sprintf(
		"%s was changed after %s was loaded; without a reload it is not known whether the content differs",
		[p.changed[0], p.subject],
	),
	"evidence": {"case": "changed", "path": p.changed[0], "reasons": p.reasons, "changed": p.changed},
} if {
	some p in problem
	lib.reload_safe(p.would_load, p.would_drop)
	p.reasons == ["file-changed"]
}

problem contains {
	"subject": unit.name,
	"overdue_since": overdue_since(unit),
	"path": unit.loaded.fragment_path,
	"reasons": sort(of_unit(unit.loaded, gone) | {reason | some [reason, _] in unread}),
	"changed": [path | some ["file-changed", path] in unread],
	"settings": sort([difference.key | some difference in unit.loaded.differs]),
	"pending": [file.path | some file in unit.files; file.state == "pending"],
	"would_load": unit.reload.loads_undeclared,
	"would_drop": unit.reload.drops_declared,
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.load_state != "not-found"
	not unit.quadlet_errors # then quadlets_generate says why a reload must wait
	unread := [[of_file(file.role, file.origin, file.loaded), file.path] |
		some file in unit.files
		file.effective
		[file.loaded, file.changed_after_load] != [true, false] # not read as it is now
	]
	gone := [path | some path in unit.loaded.dropin_paths; not on_disk(path, unit.files)]
	not current(
		unit.loaded.need_daemon_reload, unit.loaded.differs,
		unit.loaded.links_unread, unit.loaded.links_gone, gone, unread,
	)
}

# A template is not loaded, but the generator made it from a quadlet at the last reload.
problem contains {
	"subject": unit.name,
	"overdue_since": overdue_since(unit),
	"path": unread[0][1],
	"reasons": sort({reason | some [reason, _] in unread}),
	"changed": [path | some ["file-changed", path] in unread],
	"settings": [],
	"pending": [file.path | some file in unit.files; file.state == "pending"],
	"would_load": unit.reload.loads_undeclared,
	"would_drop": unit.reload.drops_declared,
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.template
	not unit.quadlet_errors
	unread := [[of_file(file.role, file.origin, file.loaded), file.path] |
		some file in unit.files
		file.effective
		file.role in {"source", "source-dropin"}
		[file.loaded, file.changed_after_load] != [true, false]
	]
	unread != []
}

# overdue_since is the time since when a unit has needed a reload, if that is
# longer than the grace period and a reload did not help; otherwise it is empty.
# The time during which the reload was withheld does not count. If no reload was
# tried, as in observe mode or with an open breaker, an audit may still heal it.
default overdue_since(_) := ""

overdue_since(unit) := since if {
	since := lib.standing(unit.history, "loaded_is_current", {"stale", "changed"})
	lib.overdue(since, input.collected_at, "loaded_is_current")
	lib.failed(unit.history, "loaded_is_current")
}

grace := lib.grace("loaded_is_current")

on_disk(path, files) if {
	some file in files
	file.path == path
	file.kind != "missing"
}

current(false, [], [], [], [], [])

of_unit(loaded, gone) := {reason |
	some reason, seen in {
		"need-daemon-reload": [true | loaded.need_daemon_reload],
		"setting-differs": loaded.differs,
		"link-unread": loaded.links_unread,
		"link-gone": loaded.links_gone,
		"dropin-gone": gone,
	}
	seen != []
}

of_file(role, _, false) := "fragment-unread" if role in {"fragment", "source"}

of_file(role, _, false) := "dropin-unread" if role in {"dropin", "source-dropin"}

# Generators write their files during the reload, so these are always newer.
of_file(role, origin, true) := "file-changed" if {
	origin != "generator"
	role in {"fragment", "source", "dropin", "source-dropin"}
}
