package daily

import (
	"fmt"
	"io"
	"strings"

	"stackpolicy/internal/text"
)

// columns is how wide texts are.
const columns = 80

// sheet writes plain text and keeps the first error.
type sheet struct {
	w   io.Writer
	err error
}

func (s *sheet) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintln(s.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// heading separates what follows from what was before.
func (s *sheet) heading(words string) {
	s.line("")
	s.line("%s", words)
}

// paragraph writes words after a label and wraps them below each other. A word
// or a command in backticks is never broken, so that it can be copied.
func (s *sheet) paragraph(indent int, label, words string) {
	lead := strings.Repeat(" ", indent) + label
	margin := min(text.Width(lead), columns/2)
	line := lead
	for i, word := range uncut(words) {
		switch {
		case i == 0:
			line += word
		case text.Width(line)+1+text.Width(word) > columns:
			s.line("%s", line)
			line = strings.Repeat(" ", margin) + word
		default:
			line += " " + word
		}
	}
	s.line("%s", line)
}

// uncut splits at spaces outside of commands in backticks. If the last backtick
// has no pair, there are no commands.
func uncut(words string) []string {
	var out []string
	command := false
	for _, field := range strings.Fields(words) {
		if command {
			out[len(out)-1] += " " + field
		} else {
			out = append(out, field)
		}
		command = command != (strings.Count(field, "`")%2 == 1)
	}
	if command {
		return strings.Fields(words)
	}
	return out
}

// more says how many are left out.
func (s *sheet) more(indent, n int) {
	if n > 0 {
		s.line("%sand %d more", strings.Repeat(" ", indent), n)
	}
}

// table writes each row as paragraphs: its first part, then the others with
// their heads.
func (s *sheet) table(t Table) {
	if len(t.Rows) == 0 {
		if t.None != "" {
			s.paragraph(2, "", t.None)
		}
		return
	}
	s.paragraph(2, "", t.Caption+":")
	for _, row := range t.Rows {
		s.paragraph(4, "", row[0])
		for i, cell := range row[1:] {
			s.paragraph(6, strings.ToLower(t.Head[i+1])+": ", cell)
		}
	}
	s.more(4, t.More)
}
