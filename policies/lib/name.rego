package stackpolicy.lib

# matches_any is true when a unit's name matches one of the glob patterns, as
# systemctl matches them: fnmatch(3) with FNM_NOESCAPE. * is any text, dots
# included, ? is one character, [abc], [a-c] and [!abc] are classes, and a
# backslash is itself.
matches_any(name, patterns) if {
	some pattern in patterns
	regex.match(as_regex(pattern), name)
}

# matches_some is true when a glob pattern matches one of the names.
matches_some(pattern, names) if {
	expression := as_regex(pattern)
	some name in names
	regex.match(expression, name)
}

# as_regex converts a glob pattern to a regular expression. It is undefined for a
# pattern that matches nothing, such as [z-a].
as_regex(pattern) := expression if {
	# A whole class is one part, any other character is another.
	parts := regex.find_n(`(?s)\[[!^]?\]?(\[:[a-z]+:\]|[^\]])*\]|.`, pattern, -1)
	expression := sprintf("^(?s:%s)$", [concat("", [as_regex_part(part) | some part in parts])])
	regex.is_valid(expression)
}

as_regex_part("*") := ".*"

as_regex_part("?") := "."

as_regex_part(part) := concat("", ["[", negated, concat("", members), "]"]) if {
	count(part) > 1
	negated := {true: "^", false: ""}[regex.match(`^\[[!^]`, part)]
	inside := regex.replace(part, `^\[[!^]?|\]$`, "")
	members := [escaped(member) | some member in regex.find_n(`(?s)\[:[a-z]+:\]|.`, inside, -1)]
}

as_regex_part(part) := escaped(part) if {
	count(part) == 1
	not part in {"*", "?"}
}

# escaped returns a character that matches itself, and [:digit:] and the like
# unchanged.
escaped(part) := part if count(part) > 1

escaped(part) := regex.replace(part, `[.+()|{}\[\]\\^$*?]`, `\$0`) if count(part) == 1
