package docs

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

var update = flag.Bool("update", false, "write invariants.md again")

// classes are the classes of invariants, with what their invariants are about.
var classes = []struct{ name, about string }{
	{"provenance", "Where a unit's definition comes from, and whether the manager runs it. A unit\nwith such a finding is never restarted."},
	{"stack", "Whether a stack is up, and as it was declared."},
	{"unit", "The state of each unit."},
	{"host", "The user's manager, and the machine as a whole."},
}

const invariantsHead = `# Invariants

<!-- written by go test ./docs -update -->

Each invariant is a good state that audits check. Its name leads to its runbook: what
it means, what it puts at risk, how to look, how to mend. ` + "`stackpolicy explain\nUNIT`" + ` prints the steps for a finding, with the names filled in.

The column *otherwise* has the severity of a finding, unless the rule sets another
one for its case. An invariant *needs* sections of the
[facts](../schemas/v1/facts.json): without them it is unknown, not good. Its
findings may ask for an action, but guards decide whether the action runs
([heal or alert](heal-or-alert.md)).
`

// TestInvariantsPage: invariants.md is generated from the METADATA of the rules.
func TestInvariantsPage(t *testing.T) {
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := invariantsPage(p.Invariants())
	if *update {
		if err := os.WriteFile("invariants.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("invariants.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("invariants.md is not what the rules say; run: go test ./docs -run TestInvariantsPage -update")
	}
	if n := strings.Count(want, "\n| [`"); n != len(p.Invariants()) {
		t.Errorf("the page has %d invariants, there are %d", n, len(p.Invariants()))
	}
}

func invariantsPage(invariants []policy.Invariant) string {
	var b strings.Builder
	b.WriteString(invariantsHead)
	for _, class := range classes {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| invariant | good state | otherwise | may ask for | needs |\n|---|---|---|---|---|\n",
			strings.ToUpper(class.name[:1])+class.name[1:], class.about)
		for _, i := range invariants {
			if string(i.Class) == class.name {
				fmt.Fprintf(&b, "| [`%s`](../policies/%s) | %s | %s | %s | %s |\n", i.ID, i.Runbook.File, i.Title, i.Severity,
					cmp.Or(strings.Join(policy.Texts(i.Actions), ", "), "nothing"), strings.Join(i.Needs, ", "))
			}
		}
	}
	return b.String()
}
