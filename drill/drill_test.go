package drill

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/usermanager"
)

// program is the path of the stackpolicy program under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "stackpolicy-drill-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "stackpolicy")
		build := exec.Command("go", "build", "-o", program, "stackpolicy/cmd/stackpolicy")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build stackpolicy: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// run drills with the given rules; only some rows if names are given.
func run(t *testing.T, policy string, only ...string) Result {
	t.Helper()
	return runIn(t, t.TempDir(), policy, only...)
}

// runIn is run for an operator with that folder of configuration.
func runIn(t *testing.T, home, policy string, only ...string) Result {
	t.Helper()
	if err := usermanager.Available(usermanager.Options{}); err != nil {
		t.Skipf("no user manager can be started here: %v", err)
	}
	r, err := Run(t.Context(), Options{
		Program: program, Policy: policy, Only: only, ConfigHome: home,
		Outside: Outside{ConfigHome: home, StateHome: home, DataHome: home},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// byName returns the row of that name.
func (r Result) byName(t *testing.T, name string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Name == name {
			return row
		}
	}
	t.Fatalf("the result has no row %q", name)
	return Row{}
}

// TestBuiltIn checks that with the built-in rules each row is found by the invariants that it
// names, that nobody is accused, and that what heals is healed.
//
// It does one row in eight, and all with STACKPOLICY_LAB_EACH=1.
func TestBuiltIn(t *testing.T) {
	var some []string
	for i, row := range rows() {
		if os.Getenv("STACKPOLICY_LAB_EACH") != "1" && i%8 == 0 {
			some = append(some, row.name)
		}
	}
	r := run(t, "", some...)
	for _, row := range r.Rows {
		t.Logf("%-24s %-8s %-11s %5d ms %s", row.Name, row.Verdict, row.Heal, row.TookMS, row.Note)
		var got []string
		for _, f := range row.Found {
			got = append(got, f.Invariant+" "+f.Subject)
		}
		for _, want := range row.Expected {
			if !strings.Contains(strings.Join(got, "\n")+"\n", want+"\n") {
				t.Errorf("%s: not found: %s\nfound: %q", row.Name, want, got)
			}
		}
		for _, f := range row.Accused {
			t.Errorf("%s: accused: %+v", row.Name, f)
		}
		if row.Note != "" || len(row.Worse) > 0 {
			t.Errorf("%s: %s %q", row.Name, row.Note, row.Worse)
		}
	}
	t.Logf("uncovered %q, unexercised %q, not drilled %v, %d ms", r.Uncovered, r.Unexercised, r.NotDrilled, r.TookMS)
	if r.ExitCode != StatusGood {
		t.Errorf("exit status %d", r.ExitCode)
	}
}
