package regotest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

const regoTests = `package stackpolicy.invariants.loaded_test

import data.stackpolicy.invariants.loaded

test_broken if {
	found := loaded.finding with input as {"units": [{"name": "a", "loaded": {"load_state": "error"}}]}
	count(found) == 1
}

test_wrong if {
	print("so it goes")
	count(loaded.finding) == 7 with input as {"units": []}
}

test_error if {
	to_number("x") == 1
}

test_cases[name] if {
	some name, want in {"one": 1, "two": 3}
	count(name) == want
}

todo_test_later if false
`

func testFolder() fstest.MapFS {
	return fixture.Folder(map[string]string{
		"invariants/loaded/loaded_test.rego": regoTests,
		"lib/lib.rego":                       "package stackpolicy.lib\n\nunused := 1\n",
	})
}

func TestTest(t *testing.T) {
	report, err := Run(t.Context(), policy.OpenWithTests(testFolder(), ""))
	if err != nil {
		t.Fatal(err)
	}
	const file = "invariants/loaded/loaded_test.rego"
	var got []string
	for _, r := range report.Results {
		if r.File != file {
			t.Errorf("got file %q", r.File)
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", r.Line, strings.TrimPrefix(r.Name, "stackpolicy.invariants.loaded_test."), r.Status, r.Message))
	}
	want := []string{
		"5 test_broken pass ",
		"10 test_wrong fail " + file + ":12: not true: count(loaded.finding) == 7 with input as {\"units\": []}\nso it goes",
		"15 test_error error " + file + ":16: eval_builtin_error: to_number: strconv.ParseFloat: parsing \"x\": invalid syntax",
		"19 test_cases/one fail " + file + ":21: not true: count(name) == want",
		"19 test_cases/two pass ",
		"24 todo_test_later skip skipped by its name",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if report.Passed() {
		t.Error("the report says passed")
	}
	if len(report.Coverage) != 2 || report.Coverage[0].File != fixture.RuleFile || report.Coverage[0].Percent != 100 ||
		report.Coverage[1].Percent != 0 || report.Percent <= 0 || report.Percent >= 100 {
		t.Errorf("got coverage %+v, %v", report.Coverage, report.Percent)
	}
	again, err := Run(t.Context(), policy.OpenWithTests(testFolder(), ""))
	if err != nil || !reflect.DeepEqual(report, again) {
		t.Errorf("another run differs: %+v, %v", again, err)
	}
}

func TestNoTestsIsNoPass(t *testing.T) {
	report, err := Run(t.Context(), policy.OpenWithTests(fixture.Folder(nil), ""))
	if !errors.Is(err, ErrNoTests) || report.Passed() {
		t.Errorf("got %+v, %v", report, err)
	}
	report, err = Run(t.Context(), policy.OpenWithTests(fixture.Folder(map[string]string{"lib/a_test.rego": "package a_test\n\nhelp := 1\n"}), ""))
	if !errors.Is(err, ErrNoTests) || report.Passed() {
		t.Errorf("without a test_ rule: got %+v, %v", report, err)
	}
}

func TestTestRefusesWhatDoesNotCompile(t *testing.T) {
	for text, want := range map[string]string{
		"package a_test\n\ntest_a if foo(1)\n": "p/lib/a_test.rego:3: undefined function foo; define it in this package or import data.stackpolicy.lib",
		"package a_test\n\ntest_a if {\n":      "p/lib/a_test.rego:4: unexpected eof token",
	} {
		_, err := Run(t.Context(), policy.OpenWithTests(fixture.Folder(map[string]string{"lib/a_test.rego": text}), "p"))
		if err == nil || err.Error() != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
}
