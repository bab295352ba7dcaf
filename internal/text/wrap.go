package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// columns is how wide a string shows, without the colours it may hold.
func columns(s string) int { return text.StringWidthWithoutEscSequences(s) }

// wrap breaks text into lines of at most room columns. A command in backticks
// stays on one line where it fits, so that it can be copied; a word that is
// longer than a line, such as a path, is left whole for the same reason.
func wrap(s string, room int) []string { return pack(words(s, room), room) }

// pack fills lines with words, one blank between them.
func pack(words []string, room int) []string {
	lines, line, used := []string{}, "", 0
	for i, word := range words {
		w := columns(word)
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

// words splits at spaces outside of those commands in backticks that fit in a
// line. Scripts that are written without spaces break anywhere.
func words(s string, room int) []string {
	fields := strings.Split(s, " ")
	var out []string
	for i := 0; i < len(fields); i++ {
		word := fields[i]
		if end := closing(fields, i); end > i {
			if span := strings.Join(fields[i:end+1], " "); columns(span) <= room {
				word, i = span, end
			}
		}
		out = append(out, breakWide(word, room)...)
	}
	return out
}

// closing is the field in which the backticks of field i are even again; i
// when they never are.
func closing(fields []string, i int) int {
	ticks := 0
	for end := i; end < len(fields); end++ {
		if ticks += strings.Count(fields[end], "`"); ticks%2 == 0 {
			return end
		}
	}
	return i
}

// breakWide cuts a word of wide runes, which has no spaces to break at.
func breakWide(word string, room int) []string {
	if columns(word) <= room || columns(word) == len([]rune(word)) {
		return []string{word}
	}
	var out []string
	begin, used := 0, 0
	for i, r := range word {
		w := columns(string(r))
		if used+w > room && used > 0 {
			out, begin, used = append(out, word[begin:i]), i, 0
		}
		used += w
	}
	return append(out, word[begin:])
}
