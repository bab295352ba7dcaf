package decide

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"
)

// testLimit bounds one Rego test.
const testLimit = 5 * time.Second

// ErrNoTests says that a policy folder holds no tests, which is no pass.
var ErrNoTests = errors.New("no tests; want *_test.rego with rules named test_…")

// Status is how a test ended.
type Status string

// A test that is skipped (todo_test_…) did not pass.
const (
	StatusPass  Status = "pass"
	StatusFail  Status = "fail"
	StatusError Status = "error"
	StatusSkip  Status = "skip"
)

// TestResult is how one test, or one case of it, ended.
type TestResult struct {
	Name    string // package and rule, with /CASE for a case
	File    string // relative to the policy folder
	Line    int
	Status  Status
	Message string // what went wrong, with the place; empty for a pass
}

// Coverage is how much of the rules the tests evaluated.
type Coverage struct {
	File       string
	Percent    float64
	NotCovered []int // lines, sorted
}

// TestReport is a whole test run, sorted by file and line. It holds no times,
// so that the same run reads the same.
type TestReport struct {
	Results  []TestResult
	Coverage []Coverage // of rule files, tests excluded, by file
	Percent  float64    // of all lines together
}

// Passed reports whether every test passed.
func (r TestReport) Passed() bool {
	return len(r.Results) > 0 && !slices.ContainsFunc(r.Results, func(t TestResult) bool { return t.Status != StatusPass })
}

// Test runs every *_test.rego beside the policies as opa test --coverage
// does, except that a builtin's error is an error here too. Without any test
// it returns [ErrNoTests].
func (p *Policies) Test(ctx context.Context) (TestReport, error) {
	rules, all, err := p.testModules()
	if err != nil {
		return TestReport{}, err
	}
	tracer := newFailTracer()
	txn, err := p.store.NewTransaction(ctx)
	if err != nil {
		return TestReport{}, fmt.Errorf("test policies: %w", err)
	}
	defer p.store.Abort(ctx, txn)
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(capabilities()).WithEnablePrintStatements(true)).
		SetStore(p.store).
		SetModules(all).
		SetCoverageQueryTracer(tracer).
		RaiseBuiltinErrors(true).
		SetTimeout(testLimit).
		RunTests(ctx, txn)
	if err != nil {
		refusal := &Refusal{name: p.opts.Name}
		addASTErrors(err, "", refusal)
		return TestReport{}, refusal.err()
	}
	report := TestReport{}
	for result := range results {
		report.Results = append(report.Results, testResults(result, tracer)...)
	}
	if err := ctx.Err(); err != nil {
		return TestReport{}, fmt.Errorf("test policies: %w", err)
	}
	if len(report.Results) == 0 {
		return TestReport{}, ErrNoTests
	}
	slices.SortFunc(report.Results, func(a, b TestResult) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	report.addCoverage(tracer.Report(rules), rules)
	return report, nil
}

// testModules parses the folder anew, with its tests.
func (p *Policies) testModules() (rules, all map[string]*ast.Module, err error) {
	refusal := &Refusal{name: p.opts.Name}
	ruleSources, testSources := map[string][]byte{}, map[string][]byte{}
	for _, name := range listFiles(p.fsys, refusal) {
		switch {
		case strings.HasSuffix(name, "_test.rego"):
			testSources[name] = readFile(p.fsys, name, refusal)
		case path.Ext(name) == ".rego":
			ruleSources[name] = readFile(p.fsys, name, refusal)
		}
	}
	rules = parseModules(ruleSources, refusal)
	all = parseModules(testSources, refusal)
	if err := refusal.err(); err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, ErrNoTests
	}
	for name, module := range rules {
		all[name] = module
	}
	return rules, all, nil
}

// testResults is a test's result, or one for each of its cases.
func testResults(r *tester.Result, tracer *failTracer) []TestResult {
	result := TestResult{
		Name: strings.TrimPrefix(r.Package, "data.") + "." + r.Name,
		File: r.Location.File, Line: r.Location.Row, Status: StatusPass,
	}
	switch {
	case r.Error != nil:
		result.Status, result.Message = StatusError, strings.Join(strings.Fields(r.Error.Error()), " ")
	case r.Fail:
		result.Status, result.Message = StatusFail, tracer.explain(r)
	case r.Skip:
		result.Status, result.Message = StatusSkip, "skipped by its name"
	}
	if len(r.SubResults) == 0 || r.Error != nil {
		return []TestResult{result}
	}
	var cases []TestResult
	for name, sub := range r.SubResults.Iter {
		if len(sub.SubResults) > 0 {
			continue
		}
		one := result
		one.Name += "/" + strings.Join(name, "/")
		if one.Status = StatusPass; sub.Fail {
			one.Status = StatusFail
		} else {
			one.Message = ""
		}
		cases = append(cases, one)
	}
	return cases
}

func (r *TestReport) addCoverage(report cover.Report, rules map[string]*ast.Module) {
	covered, total := 0, 0
	for name := range rules {
		file := report.Files[name]
		if file == nil {
			continue
		}
		c := Coverage{File: name, Percent: file.Coverage}
		for _, lines := range file.NotCovered {
			for row := lines.Start.Row; row <= lines.End.Row; row++ {
				c.NotCovered = append(c.NotCovered, row)
			}
		}
		slices.Sort(c.NotCovered)
		c.NotCovered = slices.Compact(c.NotCovered)
		covered += file.CoveredLines
		total += file.CoveredLines + file.NotCoveredLines
		r.Coverage = append(r.Coverage, c)
	}
	slices.SortFunc(r.Coverage, func(a, b Coverage) int { return cmp.Compare(a.File, b.File) })
	if total > 0 {
		r.Percent = 100 * float64(covered) / float64(total)
	}
}

// CheckFormat returns the Rego files, tests included, that opa fmt would
// change, sorted. A file that does not parse is an error.
func CheckFormat(fsys fs.FS) ([]string, error) {
	refusal := &Refusal{}
	var changed []string
	for _, name := range listFiles(fsys, refusal) {
		if path.Ext(name) != ".rego" {
			continue
		}
		source := readFile(fsys, name, refusal)
		formatted, err := format.SourceWithOpts(name, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			addASTErrors(err, name, refusal)
			continue
		}
		if string(formatted) != string(source) {
			changed = append(changed, name)
		}
	}
	return changed, refusal.err()
}
