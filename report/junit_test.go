package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

func junit(t *testing.T, r *audit.Report) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := writeJUnit(&out, r, Options{Steps: steps}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestJUnit(t *testing.T) {
	waived := fine()
	known := blocked("stack_running", "web.service", "page", "web.service is down")
	known.Waiver = &finding.Waiver{Owner: "ada", Reason: "moved <away>", Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	waived.Decisions = append(waived.Decisions, known)
	cases := map[string]struct {
		report                           *audit.Report
		tests, failures, errors, skipped int
	}{
		"fine":    {fine(), 3, 0, 0, 0},
		"broken":  {broken(), 15, 5, 8, 0},
		"acted":   {acted(), 6, 4, 0, 0},
		"hostile": {hostile(), 75, 30, 45, 0},
		"waived":  {waived, 4, 0, 0, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			written := junit(t, c.report)
			if name != "hostile" {
				golden(t, name+".xml", written)
			}
			var got testSuites
			if err := xml.Unmarshal(written, &got); err != nil {
				t.Fatal(err)
			}
			if got.Tests != c.tests || got.Failures != c.failures || got.Errors != c.errors || got.Skipped != c.skipped {
				t.Errorf("got %d tests, %d failures, %d errors, %d skipped; want %v", got.Tests, got.Failures, got.Errors, got.Skipped, c)
			}
			for _, r := range string(written) {
				if r != '\n' && r != ' ' && !text.IsVisible(r) {
					t.Errorf("%U in the output", r)
				}
			}
		})
	}
}

// TestJUnitHoldsEveryDecision: also those of which the summary says nothing.
func TestJUnitHoldsEveryDecision(t *testing.T) {
	r := acted()
	text := string(junit(t, r))
	for _, d := range r.Decisions {
		if !strings.Contains(text, `<testcase name="`+d.Invariant+`" classname="`+d.Subject+`"`) {
			t.Errorf("lacks %s on %s", d.Invariant, d.Subject)
		}
	}
}
