package report

import (
	"bytes"
	"encoding/xml"
	"slices"
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
			var all testSuite
			for i, s := range got.Suites {
				if s.ID != i {
					t.Errorf("suite %d has the id %d", i, s.ID)
				}
				all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
			}
			if all.Tests != c.tests || all.Failures != c.failures || all.Errors != c.errors || all.Skipped != c.skipped {
				t.Errorf("got %d tests, %d failures, %d errors, %d skipped; want %v", all.Tests, all.Failures, all.Errors, all.Skipped, c)
			}
			fitsBoth(t, written)
			for _, r := range string(written) {
				if r != '\n' && r != ' ' && !text.IsVisible(r) {
					t.Errorf("%U in the output", r)
				}
			}
		})
	}
}

// elements are those of the schemas of Jenkins (jenkins-junit.xsd) and of Ant's JUnit task
// (JUnit.xsd), with the attributes that both take. One that begins with ! must be there.
var elements = map[string]struct{ attributes, children []string }{
	"testsuites": {nil, []string{"testsuite"}},
	"testsuite": {
		[]string{"!package", "!id", "!name", "!timestamp", "!hostname", "!tests", "!failures", "!errors", "skipped", "!time"},
		[]string{"!properties", "testcase", "!system-out", "!system-err"}, // in this order
	},
	"testcase":   {[]string{"!name", "!classname", "!time"}, []string{"skipped", "error", "failure"}},
	"failure":    {[]string{"message", "!type"}, nil},
	"error":      {[]string{"message", "!type"}, nil},
	"skipped":    {[]string{"message"}, nil},
	"properties": {}, "system-out": {}, "system-err": {},
}

// element is any element of XML.
type element struct {
	XMLName    xml.Name
	Attributes []xml.Attr `xml:",any,attr"`
	Children   []element  `xml:",any"`
}

// fitsBoth checks a text against what both schemas take.
func fitsBoth(t *testing.T, text []byte) {
	t.Helper()
	var root element
	if err := xml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	root.fits(t)
}

func (e element) fits(t *testing.T) {
	t.Helper()
	var attributes, children []string
	for _, a := range e.Attributes {
		attributes = append(attributes, a.Name.Local)
		if a.Name.Local == "timestamp" && len(a.Value) != len("2006-01-02T15:04:05") {
			t.Errorf("timestamp %q", a.Value)
		}
	}
	for _, c := range e.Children {
		children = append(children, c.XMLName.Local)
		c.fits(t)
	}
	rule, known := elements[e.XMLName.Local]
	if !known || !inOrder(slices.Compact(children), rule.children) || !inOrder(attributes, rule.attributes) {
		t.Errorf("%s with %q has %q", e.XMLName.Local, attributes, children)
	}
}

// inOrder reports whether got has only names that are allowed, in their order, and those that
// must be there.
func inOrder(got, allowed []string) bool {
	for _, name := range allowed {
		name, must := strings.CutPrefix(name, "!")
		switch {
		case len(got) > 0 && got[0] == name:
			got = got[1:]
		case must:
			return false
		}
	}
	return len(got) == 0
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
