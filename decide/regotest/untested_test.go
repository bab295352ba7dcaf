package regotest

import (
	"strings"
	"testing"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

// TestUntested: passing tests that do not read a rule say nothing about it.
func TestUntested(t *testing.T) {
	t.Parallel()
	const pkg = "package stackpolicy.invariants.loaded_test\n\n"
	for name, c := range map[string]struct {
		test     string
		untested bool
	}{
		"an import":              {pkg + "import data.stackpolicy.invariants.loaded as rule\n\ntest_a if count(rule.finding) == 0 with input as {}\n", false},
		"a reference":            {pkg + "test_a if count(data.stackpolicy.invariants.loaded.finding) == 0 with input as {}\n", false},
		"cases":                  {pkg + "test_a[x] if {\n\tsome x in [1]\n\tcount(data.stackpolicy.invariants.loaded.finding) == 0 with input as {}\n}\n", false},
		"the package alone":      {pkg + "test_a if true\n", true},
		"all of them":            {pkg + "test_a if count({id | data.stackpolicy.invariants[id].finding}) >= 0\n", true},
		"another invariant":      {pkg + "test_a if not data.stackpolicy.invariants.other\n", true},
		"no test, but it reads":  {pkg + "help if count(data.stackpolicy.invariants.loaded.finding) == 0 with input as {}\n", true},
		"in another test's file": {"package stackpolicy.lib_test\n\ntest_a if count(data.stackpolicy.invariants.loaded.finding) == 0 with input as {}\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := Run(t.Context(), policy.OpenWithTests(fixture.Folder(map[string]string{
				"lib/a_test.rego": c.test, "lib/b_test.rego": "package b_test\n\ntest_b if true\n",
			}), ""))
			if err != nil {
				t.Fatal(err)
			}
			failed := report.Untested
			if (len(failed) > 0) != c.untested || !report.Passed() {
				t.Fatalf("failed %v, want untested %v", failed, c.untested)
			}
			if c.untested && (failed[0].File != fixture.RuleFile || !strings.Contains(failed[0].Message, "write invariants/loaded/loaded_test.rego with a rule test_")) {
				t.Errorf("got %+v", failed[0])
			}
		})
	}
}
