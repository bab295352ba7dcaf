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

var update = flag.Bool("update", false, "write invariants.md anew")

// classes, and what an invariant of each is about.
var classes = []struct{ name, about string }{
	{"provenance", "Where a unit's definition comes from, and whether the manager runs it. A unit\nwith such a finding is never restarted."},
	{"stack", "Whether a stack is up, and as it was described."},
	{"unit", "What a unit is by itself."},
	{"host", "What is about the user, or the machine, as a whole."},
}

const invariantsHead = `# Invariants

<!-- written by go test ./docs -update -->

Each is a good state that audits look for, and each name leads to its runbook:
what it means, what it puts at risk, how to look, how to mend. ` + "`stackpolicy\nexplain UNIT`" + ` prints the steps for what was found, with the names filled in.

A page or ticket is what a finding is unless the rule says otherwise for its
case. What an invariant *needs* are the sections of the
[facts](../schemas/v1/facts.json) without which it cannot be decided: then it is
unknown, and not good. An action is what its findings may ask for; whether it
runs is decided elsewhere ([heal or alert](heal-or-alert.md)).
`

// TestInvariantsPage: invariants.md says what the METADATA of the rules say.
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
