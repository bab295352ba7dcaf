// Package regotest runs the Rego tests of a policy folder. Start at [Run].
package regotest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"

	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
)

// testLimit bounds one Rego test.
const testLimit = 20 * time.Second

// ErrNoTests means that a policy folder has no tests, which is not a pass.
var ErrNoTests = errors.New("no tests; want *_test.rego with rules named test_…")

// Status is the result of a test.
type Status string

// A test that is skipped (todo_test_…) did not pass.
const (
	StatusPass  Status = "pass"
	StatusFail  Status = "fail"
	StatusError Status = "error"
	StatusSkip  Status = "skip"
)

// Result is the result of one test, or of one case of it.
type Result struct {
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

// Report is a whole test run, sorted by file and line. It has no times, so that two runs of
// the same tests have the same report.
type Report struct {
	Results  []Result
	Coverage []Coverage // of rule files, tests excluded, by file
	Percent  float64    // of all lines
	Untested []Result   // a failure for each invariant that no test reads; not in Results
}

// Passed reports whether every test passed.
func (r Report) Passed() bool {
	return len(r.Results) > 0 && !slices.ContainsFunc(r.Results, func(t Result) bool { return t.Status != StatusPass })
}

// Run runs every *_test.rego of the folder as opa test --coverage does, but an error of a
// builtin fails the test. Without any test it returns [ErrNoTests].
func Run(ctx context.Context, source policy.Source) (Report, error) {
	folder := policy.Parse(source)
	tests, err := testsOf(folder, source)
	if err != nil {
		return Report{}, err
	}
	all := maps.Clone(tests)
	maps.Copy(all, folder.Rules)
	store := folder.Settings.Store()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("test policies: %w", err)
	}
	defer store.Abort(ctx, txn)
	tracer := newFailTracer()
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(lint.Capabilities()).WithEnablePrintStatements(true)).
		SetStore(store).
		SetModules(all).
		SetCoverageQueryTracer(tracer).
		RaiseBuiltinErrors(true).
		SetTimeout(testLimit).
		RunTests(ctx, txn)
	if err != nil {
		folder.Refusal.AddRego(err, "")
		return Report{}, folder.Refusal.Err()
	}
	report := Report{Untested: untested(folder.Invariants, tests)}
	for result := range results {
		report.Results = append(report.Results, testResults(result, tracer)...)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("test policies: %w", err)
	}
	if len(report.Results) == 0 {
		return Report{}, ErrNoTests
	}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	report.addCoverage(tracer.Report(folder.Rules), folder.Rules)
	return report, nil
}

// testsOf returns the folder's tests.
func testsOf(folder *policy.Folder, source policy.Source) (map[string]*ast.Module, error) {
	tests := source.ParseTests(folder.Refusal)
	if err := folder.Refusal.Err(); err != nil {
		return nil, err
	}
	if len(tests) == 0 {
		return nil, ErrNoTests
	}
	return tests, nil
}

// testResults returns a test's result, or one result for each of its cases.
func testResults(r *tester.Result, tracer *failTracer) []Result {
	result := Result{
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
		return []Result{result}
	}
	var cases []Result
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

func (r *Report) addCoverage(report cover.Report, rules map[string]*ast.Module) {
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
