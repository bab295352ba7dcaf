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

// The shape that CI systems read: GitLab, Jenkins and the others know no
// schema of JUnit's own, and these elements are what they have in common.
type (
	testSuites struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Suites   []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Name      string     `xml:"name,attr"`
		Tests     int        `xml:"tests,attr"`
		Failures  int        `xml:"failures,attr"`
		Errors    int        `xml:"errors,attr"`
		Skipped   int        `xml:"skipped,attr"`
		Timestamp string     `xml:"timestamp,attr"`
		Cases     []testCase `xml:"testcase"`
	}
	testCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
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
	all := testSuites{Name: "stackpolicy"}
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
	s := testSuite{Name: text.Clean(name), Tests: len(cases), Timestamp: r.CollectedAt.UTC().Format(time.RFC3339), Cases: cases}
	for _, c := range cases {
		s.Failures += oneOf(c.Failure)
		s.Errors += oneOf(c.Error)
		s.Skipped += oneOf(c.Skipped)
	}
	all.Tests, all.Failures = all.Tests+s.Tests, all.Failures+s.Failures
	all.Errors, all.Skipped = all.Errors+s.Errors, all.Skipped+s.Skipped
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
