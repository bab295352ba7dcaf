package stackpolicy.lib

# reload_safe is true if a daemon-reload would load no file that is not declared and
# drop no file that is. It takes the two lists of a unit's reload.
default reload_safe(_, _) := false

reload_safe([], [])

# culprit is the first file for which a reload is not safe.
culprit(loads_undeclared, drops_declared) := array.concat(loads_undeclared, drops_declared)[0]

# reload_did_not_help is true if a finding of an invariant was there at the last audit too,
# a reload for it has healed nothing within the last 24 hours, and none of the unit's files
# has changed since the manager's last reload, at loaded_at: the next one would read the same.
reload_did_not_help(history, files, loaded_at, invariant) if {
	changed := [file.path | some file in files; file.changed_after_load; file.origin != "generator"]
	changed == []
	some seen in history.findings
	seen.invariant == invariant
	some heal in history.heals
	heal.invariant == invariant
	heal.action == "daemon-reload"
	heal.failed_24h > 0
	time.parse_rfc3339_ns(heal.last) <= time.parse_rfc3339_ns(loaded_at)
}
