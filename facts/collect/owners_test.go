package collect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// A hidden fragment and a hidden drop-in do not count, nor do files that are not links in a
// folder of links.
func TestOwners(t *testing.T) {
	high, low := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		high + "/x.target": "[Unit]\nWants=a.service", low + "/x.target": "[Unit]\nWants=hidden.service",
		high + "/x.target.d/a.conf": "[Unit]\nWants=b.service", low + "/x.target.d/a.conf": "[Unit]\nWants=hidden.service",
		high + "/x.target.wants/file.service": "",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"web.service": "/nowhere", "masked.service": "/dev/null"} {
		if err := os.Symlink(target, high+"/x.target.wants/"+name); err != nil {
			t.Fatal(err)
		}
	}
	index, err := unitfile.ReadIndex(t.Context(), []string{high, low})
	if err != nil {
		t.Fatal(err)
	}
	o := newOwners(index, newLooks(t.Context(), "/nix/store"))
	var wants []string
	for _, s := range o.Settings("x.target") {
		wants = append(wants, s.All("Unit.Wants")...)
	}
	if want := []string{"a.service", "b.service"}; !slices.Equal(wants, want) {
		t.Errorf("settings %q, want %q", wants, want)
	}
	if got, want := o.Linked("x.target", "wants"), []string{"web.service"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
	if got := o.Settings("none.target"); got != nil {
		t.Errorf("a unit without a file has settings: %v", got)
	}
}

// A probe of another stack does not fail; a container belongs to the unit that its label
// names.
func TestOnlyWithProbes(t *testing.T) {
	env := testEnvironment(t)
	env.Config = config.Config{
		Units:  []string{"a.service"},
		Stacks: map[string]config.Stack{"b": {Unit: "b.service", Probes: []config.Probe{{TCP: "127.0.0.1:1"}}}},
	}
	env.Podman = containers{{ID: "1", Name: "one", Labels: map[string]string{podman.LabelUnit: "a.service"}}, podman.Container{ID: "2", Name: "two", Labels: map[string]string{}}}
	m := &fakeManager{units: map[string]systemd.Unit{}}
	if err := os.MkdirAll(env.UnitDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	doc := collect(t.Context(), env, m.survey, Only("a.service"))
	if c := doc.Collectors["probes"]; !c.OK {
		t.Errorf("probes: %s", c.Error)
	}
	names := func(all []facts.Container) (names []string) {
		for _, c := range all {
			names = append(names, c.Name)
		}
		return names
	}
	if len(doc.Units) != 1 || !slices.Equal(names(doc.Units[0].Containers), []string{"one"}) || !slices.Equal(names(doc.Podman.Unowned), []string{"two"}) {
		t.Errorf("got %s", text(t, doc))
	}
}
