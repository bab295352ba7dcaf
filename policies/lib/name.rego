package stackpolicy.lib

# matches_any is true when a unit's name matches one of the glob patterns, in
# which * stands for any characters, dots included, as systemctl has it, and a
# backslash for itself.
matches_any(name, patterns) if {
	some pattern in patterns
	glob.match(replace(pattern, `\`, `\\`), null, name)
}
