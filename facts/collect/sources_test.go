package collect

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

// TestSources: a quadlet's sources are those that are declared and the one that is loaded,
// each with its drop-ins, on disk or declared. Characters of globs in a path mean themselves.
func TestSources(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd[1]*")
	source, loaded := filepath.Join(dir, "web.container"), filepath.Join(dir, "old.container")
	for _, name := range []string{"web.container.d/20-own.conf", "web.container.d/README", "old.container.d/a.conf"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &places{quadlets: map[string]string{source: "web.service", filepath.Join(dir, "db.container"): "db.service"}}
	p.folders = map[string][]string{source + ".d": {source + ".d/10-declared.conf", source + ".d/20-own.conf"}}
	want := []string{
		"source web.container", "source-dropin web.container.d/10-declared.conf", "source-dropin web.container.d/20-own.conf",
		"source old.container", "source-dropin old.container.d/a.conf",
	}
	var got []string
	for _, c := range p.sources(facts.Unit{Name: "web.service", Quadlet: true}, loaded) {
		rel, err := filepath.Rel(dir, c.path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.role+" "+rel)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := p.sources(facts.Unit{Name: "web.service"}, loaded); got != nil {
		t.Errorf("of a unit that is no quadlet: %v", got)
	}
}
