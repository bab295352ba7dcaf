package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string from outside harmless in a terminal or a log: what is
// not printable, invalid UTF-8, marks that turn the reading direction and
// runes that show as nothing among it, is written as an escape. A newline is
// escaped too: the result is one line.
func Clean(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == ' ' || shown(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shown reports whether a rune leaves a mark of its own. Hangul fillers,
// variation selectors and the like count as printable and yet are not seen.
func shown(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// cleanLines is Clean for a text that may hold lines of its own: one string
// for each, without empty ones.
func cleanLines(s string) []string {
	var lines []string
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimRight(strings.ReplaceAll(line, "\t", "  "), " \r"); line != "" {
			lines = append(lines, Clean(line))
		}
	}
	return lines
}
