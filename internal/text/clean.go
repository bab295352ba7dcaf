// Package text prepares texts for people: harmless, wrapped, short.
//
// Every text from outside must go through [Clean] before it is shown.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string from outside harmless in a terminal or a log. It writes
// as escapes: control characters, invalid UTF-8, marks that change the reading
// direction, and runes that show nothing. The result is one line.
func Clean(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case IsVisible(r) || r == ' ':
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// IsVisible reports whether a rune shows something. Hangul fillers, variation
// selectors and the like count as printable although they show nothing.
func IsVisible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// CleanLines is [Clean] for a text of several lines, without the empty ones.
func CleanLines(s string) []string {
	var lines []string
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimRight(strings.ReplaceAll(line, "\t", "  "), " \r"); line != "" {
			lines = append(lines, Clean(line))
		}
	}
	return lines
}

// CleanBlock is [Clean] for a message of several lines; those after the first
// are indented.
func CleanBlock(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return strings.Join(lines, "\n  ")
}
