package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// TestDecisionALine: the lines are what the encoder makes of the whole, but
// for the line breaks, whatever the texts around the decisions say.
func TestDecisionALine(t *testing.T) {
	tricky := `"decisions":[` + "\n<&\u2028>"
	for name, decisions := range map[string][]finding.Finding{
		"none": {},
		"one":  {{Invariant: "a", Message: tricky, Evidence: map[string]any{}}},
		"two":  {{Invariant: "a", Evidence: map[string]any{"decisions": []any{tricky}}}, {Invariant: "b", Evidence: map[string]any{}}},
	} {
		r := &audit.Report{
			Schema: audit.ReportSchema, Mode: tricky, Gaps: []audit.Gap{{Collector: "x", Error: tricky}}, Decisions: decisions,
		}
		var got, want bytes.Buffer
		if err := writeJSON(&got, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(got.String(), "\n"); lines != len(decisions)+1 {
			t.Errorf("%s: got %d lines; want one for each decision, and one", name, lines)
		}
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			t.Fatal(err)
		}
		var joined bytes.Buffer
		if err := json.Compact(&joined, got.Bytes()); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(want.String(), "\n"); joined.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, joined.String(), want)
		}
	}
}
