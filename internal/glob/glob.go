// Package glob matches unit names against patterns in the way systemctl does:
// fnmatch(3) with FNM_NOESCAPE, so that a backslash is a plain character, as it
// is in escaped unit names (a\x2db.service). testdata/globs.json at the root of
// the repository is the table that every implementation has to agree with.
package glob

import (
	"slices"
	"strings"
)

// MatchAny reports whether name matches one of the patterns.
func MatchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Match(p, name) })
}

// Match reports whether the whole of name matches pattern: * is any text, ? any
// character, [a-z] one of a class, [!a-z] and [^a-z] one outside of it.
func Match(pattern, name string) bool {
	star, retry := -1, 0 // where to go on when what follows the last * does not match
	p, n := 0, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, retry = p, n
			p++
			continue
		}
		if size, ok := matchOne(pattern[p:], name[n]); ok {
			p, n = p+size, n+1
			continue
		}
		if star < 0 {
			return false
		}
		retry++
		p, n = star+1, retry
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Valid reports whether pattern has no open bracket and no collating element
// ([.x.] and [=x=], which depend on the locale). Such a pattern would not match
// what its author meant.
func Valid(pattern string) bool {
	for p := 0; p < len(pattern); p++ {
		if pattern[p] != '[' {
			continue
		}
		class := classEnd(pattern[p:])
		if class == 0 || strings.Contains(pattern[p+1:p+class], "[.") || strings.Contains(pattern[p+1:p+class], "[=") {
			return false
		}
		p += class - 1
	}
	return true
}

// matchOne matches one character against the first element of pattern, and
// returns the length of that element.
func matchOne(pattern string, c byte) (size int, ok bool) {
	switch {
	case pattern == "":
		return 0, false
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '[':
		if size := classEnd(pattern); size > 0 {
			return size, matchClass(pattern[1:size-1], c)
		}
	}
	return 1, pattern[0] == c
}

// classEnd returns the length of the bracket expression that pattern begins
// with; 0 where it has no end. A ] that comes first is a member of the class.
func classEnd(pattern string) int {
	i := 1
	if i < len(pattern) && isNegation(pattern[i]) {
		i++
	}
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			return i + 1
		}
		i += len(member(pattern[i:]))
	}
	return 0
}

func isNegation(c byte) bool { return c == '!' || c == '^' }

// matchClass reports whether c is one of the members between the brackets.
func matchClass(class string, c byte) bool {
	negated := class != "" && isNegation(class[0])
	if negated {
		class = class[1:]
	}
	found := false
	for class != "" {
		m := member(class)
		class = class[len(m):]
		found = found || matchMember(m, c)
	}
	return found != negated
}

// member cuts the first member of a class: a character, a range such as a-z, or
// a named class such as [:digit:].
func member(class string) string {
	if strings.HasPrefix(class, "[:") {
		if end := strings.Index(class, ":]"); end > 0 {
			return class[:end+2]
		}
	}
	if len(class) > 2 && class[1] == '-' && class[2] != ']' {
		return class[:3]
	}
	return class[:1]
}

func matchMember(member string, c byte) bool {
	switch len(member) {
	case 1:
		return c == member[0]
	case 3:
		return member[0] <= c && c <= member[2]
	}
	return isIn(member[2:len(member)-2], c)
}

// isIn reports whether c is in a named class of the C locale (ctype.h).
func isIn(name string, c byte) bool {
	upper, lower, digit := 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9'
	graph := '!' <= c && c <= '~'
	switch name {
	case "alpha":
		return upper || lower
	case "upper":
		return upper
	case "lower":
		return lower
	case "digit":
		return digit
	case "xdigit":
		return digit || 'a' <= c|0x20 && c|0x20 <= 'f'
	case "alnum":
		return upper || lower || digit
	case "punct":
		return graph && !upper && !lower && !digit
	case "graph":
		return graph
	case "print":
		return graph || c == ' '
	case "space":
		return strings.IndexByte(" \t\n\v\f\r", c) >= 0
	case "blank":
		return c == ' ' || c == '\t'
	case "cntrl":
		return c < ' ' || c == 0x7f
	}
	return false
}
