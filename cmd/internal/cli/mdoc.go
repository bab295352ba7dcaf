package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mdoc is a page that is being written, in the language of man pages, mdoc(7).
type mdoc struct{ bytes.Buffer }

var (
	statusRow = regexp.MustCompile(`^ +(\d+)  (.+)$`)
	indented  = regexp.MustCompile(`^(  |\t)`)
)

// text writes a text of the help: paragraphs, and indented lines. These are rows of exit
// statuses, or are written unchanged.
func (p *mdoc) text(text string) {
	block, between := "", false
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		kind := kindOf(line)
		if kind != block {
			p.end(block)
			p.begin(kind, between)
			block, between = kind, true
		}
		p.line(kind, line)
	}
	p.end(block)
}

const (
	paragraph = "paragraph"
	literal   = "literal"
	table     = "table"
)

func kindOf(line string) string {
	switch {
	case strings.TrimSpace(line) == "":
		return ""
	case statusRow.MatchString(line):
		return table
	case indented.MatchString(line):
		return literal
	}
	return paragraph
}

func (p *mdoc) begin(kind string, between bool) {
	switch {
	case kind == literal:
		p.raw("Bd -literal -offset indent")
	case kind == table:
		p.raw("Bl -tag -width Ds")
	case kind == paragraph && between:
		p.raw("Pp")
	}
}

func (p *mdoc) end(kind string) {
	switch kind {
	case literal:
		p.raw("Ed")
	case table:
		p.raw("El")
	}
}

var sentence = regexp.MustCompile(`([.!?]) +([A-Z])`)

// line writes a line of a block. In mdoc a sentence begins a line.
func (p *mdoc) line(kind, line string) {
	switch kind {
	case table:
		row := statusRow.FindStringSubmatch(line)
		p.macro("It", row[1])
		p.prose(upper(row[2]) + ".")
	case literal:
		fmt.Fprintln(p, escape(strings.TrimPrefix(line, "  ")))
	case paragraph:
		p.prose(line)
	}
}

func (p *mdoc) prose(line string) {
	for part := range strings.SplitSeq(sentence.ReplaceAllString(line, "$1\n$2"), "\n") {
		head, tail := cutLine(escape(part))
		for ; tail != ""; head, tail = cutLine(tail) {
			fmt.Fprintln(p, head)
		}
		fmt.Fprintln(p, head)
	}
}

// maxLine is the longest line of the source that mandoc's lint accepts.
const maxLine = 80

// cutLine cuts a line that is too long at the last blank within the limit.
func cutLine(line string) (head, tail string) {
	if len(line) <= maxLine {
		return line, ""
	}
	at := strings.LastIndexByte(line[:maxLine+1], ' ')
	if at <= 0 {
		return line, ""
	}
	return line[:at], line[at+1:]
}

// macro writes a macro with arguments that are plain text.
func (p *mdoc) macro(name string, args ...string) {
	p.raw(name, escape(strings.Join(args, " ")))
}

// raw writes a macro with arguments that are already mdoc.
func (p *mdoc) raw(name string, args ...string) {
	fmt.Fprintln(p, strings.Join(append([]string{"." + name}, args...), " "))
}

// arg returns a word for a macro's line, where a short word could be read as a macro.
func arg(word string) string {
	word = escape(word)
	if len(word) <= 3 {
		return `\&` + word
	}
	return word
}

var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, `"`, `\(dq`, "~", `\(ti`, "^", `\(ha`)

// escape escapes a text, so that it appears unchanged; non-ASCII characters are written
// by their code points.
func escape(text string) string {
	var b strings.Builder
	for _, r := range special.Replace(text) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\[u%04X]`, r)
	}
	if strings.HasPrefix(b.String(), ".") {
		return `\&` + b.String()
	}
	return b.String()
}

func upper(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func lower(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToLower(first)) + text[size:]
}
