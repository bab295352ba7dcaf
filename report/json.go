package report

import (
	"encoding/json"
	"io"

	"stackpolicy/audit"
)

// writeJSON writes the report's contract. Control characters in strings come
// out as JSON escapes; the C1 range and bidirectional marks are data there.
func writeJSON(w io.Writer, r *audit.Report, _ Options) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
