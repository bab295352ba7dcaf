package decide

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// TestFindings: they are what is decided without what is allowed.
func TestFindings(t *testing.T) {
	p, n := builtIn(t), 0
	files, _ := filepath.Glob("../testdata/facts/*.json")
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := facts.Read(name, f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		want, err1 := p.DecidePrepared(t.Context(), Prepare(doc))
		got, err2 := p.Findings(t.Context(), Prepare(doc))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got.Digest() != want.Digest() {
			t.Errorf("%s: another digest", name)
		}
		want.Decisions = slices.DeleteFunc(want.Decisions, finding.Finding.IsAllowed)
		if n += len(got.Decisions); !cmp.Equal(want, got) {
			t.Errorf("%s: -decided +findings\n%s", name, cmp.Diff(want, got))
		}
	}
	if n == 0 {
		t.Error("there are no findings")
	}
}
