# METADATA
# title: what is loaded is what is on disk
# description: |
#   NeedDaemonReload compares times through links and is blind to the Nix store,
#   where every file has mtime 1 (measured on systemd 252 and 257). So it is one
#   sign among several: settings that differ, drop-ins, links and fragments that
#   were not read or are gone, files changed after the load. A unit that is
#   loaded from nowhere is fragment_in_user_dir's. A reload reads whatever is on
#   disk: where that is not what is declared it is withheld.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: ticket
#   needs: [units.loaded, units.files, units.reload]
#   actions: [daemon-reload]
#   runbook: loaded_is_current.md
package stackpolicy.invariants.loaded_is_current

import data.stackpolicy.lib

finding contains {
	"subject": s.subject,
	"effect": "heal",
	"severity": "ticket",
	"message": sprintf("%s runs an older definition than the one on disk: %s", [s.subject, concat(", ", s.reasons)]),
	"evidence": {"case": "stale", "path": s.path, "reasons": s.reasons, "settings": s.settings},
	"action": "daemon-reload",
} if {
	some s in stale
	lib.reload_safe(s.would_load, s.would_drop)
}

finding contains {
	"subject": s.subject,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s is stale: a reload is withheld", [s.subject]),
	"evidence": {
		"case": "withheld",
		"path": s.path,
		"reasons": s.reasons, "settings": s.settings,
		"culprit": lib.culprit(s.would_load, s.would_drop),
		"would_load": s.would_load,
		"would_drop": s.would_drop,
	},
} if {
	some s in stale
	not lib.reload_safe(s.would_load, s.would_drop)
}

stale contains {
	"subject": unit.name,
	"path": unit.loaded.fragment_path,
	"reasons": sort({reason | some reason in reasons}),
	"settings": sort([difference.key | some difference in unit.loaded.differs]),
	"would_load": unit.reload.loads_undeclared,
	"would_drop": unit.reload.drops_declared,
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.load_state != "not-found"

	of_unit := [reason |
		some reason, holds in {
			"need-daemon-reload": unit.loaded.need_daemon_reload,
			"setting-differs": count(unit.loaded.differs) > 0,
			"link-unread": count(unit.loaded.links_unread) > 0,
			"link-gone": count(unit.loaded.links_gone) > 0,
		}
		holds
	]
	on_disk := {file.path | some file in unit.files; file.kind != "missing"}
	gone := ["dropin-gone" | some path in unit.loaded.dropin_paths; not path in on_disk]
	of_files := [unread(file.role, file.origin, file.loaded) |
		some file in unit.files
		file.effective
		[file.loaded, file.changed_after_load] != [true, false] # not read as it is now
	]
	reasons := array.concat(of_unit, array.concat(gone, of_files))
	count(reasons) > 0
}

unread(role, _, false) := "fragment-unread" if role in {"fragment", "source"}

unread(role, _, false) := "dropin-unread" if role in {"dropin", "source-dropin"}

# Generators write their files during the reload, so these are always newer.
unread(role, origin, true) := "file-changed" if {
	origin != "generator"
	role in {"fragment", "source", "dropin", "source-dropin"}
}
