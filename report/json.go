package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"

	"stackpolicy/audit"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// writeJSON writes the report with one finding on each line: grep and diff then
// show whole findings. Indenting would take longer than everything else.
func writeJSON(w io.Writer, r *audit.Report, _ Options) error {
	around := *r
	around.Decisions = []finding.Finding{}
	var frame bytes.Buffer
	if err := encoder(&frame).Encode(around); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	const key = `"decisions":[` // only as a key: in a string its quotes are escaped
	before, after, _ := bytes.Cut(EscapeJSON(frame.Bytes()), []byte(key))
	out := bufio.NewWriter(w)
	out.Write(before)
	out.WriteString(key)
	if err := writeLines(out, r.Decisions); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	out.Write(after)
	return out.Flush() // says what went wrong before, too
}

func writeLines(out *bufio.Writer, decisions []finding.Finding) error {
	var line bytes.Buffer
	e := encoder(&line)
	for i := range decisions {
		line.Reset()
		f := decisions[i]
		f.Evidence = f.PublicEvidence()
		if err := e.Encode(&f); err != nil {
			return err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		out.Write(EscapeJSON(bytes.TrimSuffix(line.Bytes(), []byte("\n"))))
	}
	return nil
}

func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// JSON writes a value indented, with the keys in the order of its type. Control
// characters and bidirectional marks become JSON escapes: a terminal does nothing
// with them, and they read back as what they were.
func JSON(w io.Writer, v any) error {
	var plain bytes.Buffer
	e := encoder(&plain)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	_, err := w.Write(EscapeJSON(plain.Bytes()))
	return err
}

// EscapeJSON writes invisible characters as \uXXXX. Outside of strings JSON has only
// printable ASCII and newlines.
func EscapeJSON(plain []byte) []byte {
	if !slices.ContainsFunc(plain, func(b byte) bool { return b > '~' }) {
		return plain
	}
	harmless := func(r rune) bool { return r == '\n' || r == ' ' || text.IsVisible(r) }
	var out bytes.Buffer
	for _, r := range string(plain) {
		if harmless(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.Bytes()
}
