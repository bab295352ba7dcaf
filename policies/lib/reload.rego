package stackpolicy.lib

# reload_safe is true if a daemon-reload would load no file that is not declared and
# drop no file that is. It takes the two lists of a unit's reload.
default reload_safe(_, _) := false

reload_safe([], [])

# culprit is the first file for which a reload is not safe.
culprit(loads_undeclared, drops_declared) := array.concat(loads_undeclared, drops_declared)[0]
