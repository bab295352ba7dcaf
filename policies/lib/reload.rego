package stackpolicy.lib

# reload_safe is true when a daemon-reload would neither load what is not
# declared nor drop what is. It takes the two lists of a unit's reload.
default reload_safe(_, _) := false

reload_safe([], [])

# culprit is the first file for which a reload is not safe.
culprit(loads_undeclared, drops_declared) := array.concat(loads_undeclared, drops_declared)[0]
