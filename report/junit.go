package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// The shape that CI systems read. JUnit itself has no schema; this is what those of Jenkins
// and of Ant's JUnit task both take. Times are zero: nobody measures one invariant.
type (
	testSuites struct {
		XMLName xml.Name    `xml:"testsuites"` // without attributes: Ant knows none, Jenkins has no skipped
		Suites  []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Package    string     `xml:"package,attr"`
		ID         int        `xml:"id,attr"` // from 0
		Name       string     `xml:"name,attr"`
		Timestamp  string     `xml:"timestamp,attr"` // UTC, without a time zone
		Host       string     `xml:"hostname,attr"`  // localhost, as a report does not name its host
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Skipped    int        `xml:"skipped,attr"`
		Time       int        `xml:"time,attr"`
		Properties string     `xml:"properties"`
		Cases      []testCase `xml:"testcase"`
		Out        string     `xml:"system-out"`
		Err        string     `xml:"system-err"`
	}
	testCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Time    int      `xml:"time,attr"`
		Failure *problem `xml:"failure"`
		Error   *problem `xml:"error"`
		Skipped *problem `xml:"skipped"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// suiteOfGaps holds the collectors that failed.
const suiteOfGaps = "facts"

// writeJUnit writes a suite for each subject. A finding is a failure. A failed
// collector or an undecided invariant is an error. A waived finding is skipped.
func writeJUnit(w io.Writer, r *audit.Report, o Options) error {
	all := testSuites{}
	all.add(r, suiteOfGaps, casesOfGaps(r.Gaps))
	cases := map[string][]testCase{}
	for _, d := range r.Decisions {
		cases[d.Subject] = append(cases[d.Subject], caseOf(d, o))
	}
	for _, subject := range slices.Sorted(maps.Keys(cases)) {
		all.add(r, subject, cases[subject])
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode XML: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}

// add adds a suite and its counts. A suite without cases is left out.
func (all *testSuites) add(r *audit.Report, name string, cases []testCase) {
	if len(cases) == 0 {
		return
	}
	s := testSuite{
		Package: "stackpolicy", ID: len(all.Suites), Name: text.Clean(name), Timestamp: r.CollectedAt.UTC().Format("2006-01-02T15:04:05"),
		Host: "localhost", Tests: len(cases), Cases: cases,
	}
	for _, c := range cases {
		s.Failures += oneOf(c.Failure)
		s.Errors += oneOf(c.Error)
		s.Skipped += oneOf(c.Skipped)
	}
	all.Suites = append(all.Suites, s)
}

func oneOf(p *problem) int {
	if p == nil {
		return 0
	}
	return 1
}

func casesOfGaps(gaps []audit.Gap) (cases []testCase) {
	for _, g := range gaps {
		cases = append(cases, testCase{
			Name: text.Clean(g.Collector), Class: suiteOfGaps,
			Error: &problem{Message: text.Clean(g.Error), Type: "gap", Text: strings.Join(text.CleanLines(g.Error), "\n")},
		})
	}
	return cases
}

func caseOf(d finding.Finding, o Options) testCase {
	c := testCase{Name: text.Clean(d.Invariant), Class: text.Clean(d.Subject)}
	v := verdictOf(d)
	p := &problem{Message: text.Clean(d.Message), Type: strings.ToLower(v.word), Text: explained(d, o)}
	switch {
	case slices.Contains([]string{allow.word, healed.word}, v.word):
	case d.Waiver != nil:
		w := d.Waiver
		c.Skipped = &problem{Message: text.Clean(fmt.Sprintf("waived until %s by %s: %s", w.Until.UTC().Format(time.RFC3339), w.Owner, w.Reason))}
	case v.word == unknown.word:
		c.Error = p
	default:
		c.Failure = p
	}
	return c
}

// explained returns a finding with every step to repair it.
func explained(d finding.Finding, o Options) string {
	lines := text.CleanLines(d.Message)
	if o.Steps != nil {
		for i, step := range o.Steps(d) {
			lines = append(lines, fmt.Sprintf("%d. %s", i+1, text.Clean(step)))
		}
	}
	if d.Runbook != "" {
		lines = append(lines, "runbook: "+text.Clean(d.Runbook))
	}
	return strings.Join(lines, "\n")
}
