package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"

	"stackpolicy/audit"
)

// writeJSON writes the report's contract.
func writeJSON(w io.Writer, r *audit.Report, _ Options) error { return JSON(w, r) }

// JSON writes a value indented, keys in the order of its type. What a terminal
// would take for a command, C1 controls and bidirectional marks too, comes out
// as a JSON escape and reads back as what it was.
func JSON(w io.Writer, v any) error {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	_, err := w.Write(escaped(plain.Bytes()))
	return err
}

// escaped writes what does not show as \uXXXX. Outside of strings JSON
// holds nothing but printable ASCII and newlines.
func escaped(text []byte) []byte {
	harmless := func(r rune) bool { return r == '\n' || r == ' ' || shown(r) }
	if bytes.IndexFunc(text, func(r rune) bool { return !harmless(r) }) < 0 {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
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
