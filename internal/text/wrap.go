package text

import (
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"
)

// Width returns how many columns a string takes, not counting colours.
func Width(s string) int { return pretty.StringWidthWithoutEscSequences(s) }

// Wrap breaks a text into lines of at most room columns. A command in backticks, and a
// word, stay on one line even if they are longer, so that they can be copied.
func Wrap(s string, room int) []string { return Pack(words(s, room), room) }

// Pack fills lines of at most room columns with words, one space between them.
func Pack(words []string, room int) []string {
	lines, line, used := []string{}, "", 0
	for i, word := range words {
		w := Width(word)
		if i > 0 && used+1+w > room && line != "" {
			lines = append(lines, strings.TrimRight(line, " "))
			line, used = word, w
			continue
		}
		if i > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+w
	}
	return append(lines, strings.TrimRight(line, " "))
}

// words splits at spaces, but not in commands in backticks.
// Scripts that are written without spaces break anywhere.
func words(s string, room int) []string {
	fields := strings.Split(s, " ")
	var out []string
	for i := 0; i < len(fields); i++ {
		word := fields[i]
		if end := closing(fields, i); end > i {
			out, i = append(out, strings.Join(fields[i:end+1], " ")), end
			continue
		}
		out = append(out, breakWide(word, room)...)
	}
	return out
}

// closing returns the field that closes the backtick opened in field i; i if
// no backtick is open or none closes it.
func closing(fields []string, i int) int {
	ticks := 0
	for end := i; end < len(fields); end++ {
		if ticks += strings.Count(fields[end], "`"); ticks%2 == 0 {
			return end
		}
	}
	return i
}

// breakWide cuts a word of wide runes, which may break anywhere.
func breakWide(word string, room int) []string {
	if Width(word) <= room || Width(word) == len([]rune(word)) {
		return []string{word}
	}
	var out []string
	begin, used := 0, 0
	for i, r := range word {
		w := Width(string(r))
		if used+w > room && used > 0 {
			out, begin, used = append(out, word[begin:i]), i, 0
		}
		used += w
	}
	return append(out, word[begin:])
}
