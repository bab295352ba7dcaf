package facts

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/applied"
)

func TestDefinition(t *testing.T) {
	file := func(role, path string) File {
		return File{Path: path, Role: role, State: stateDeclared, Effective: true, Digest: sum(path)}
	}
	generated := file(roleFragment, "/run/web.service")
	generated.State = stateGenerated
	hidden := file(roleDropIn, "/u/hidden.conf")
	hidden.Effective = false
	u := Unit{Files: []File{
		generated, file(roleSource, "/q/web.container"), file(roleSourceDropIn, "/q/a.conf"),
		file(roleDropIn, "/u/a.conf"), hidden, file("wants", "/u/default.target.wants/web.service"),
	}}
	want := []applied.File{}
	for _, path := range []string{"/q/web.container", "/q/a.conf", "/u/a.conf"} {
		want = append(want, applied.File{Path: path, Role: "unit", Digest: sum(path)})
	}
	if d := cmp.Diff(want, u.Definition()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := (Unit{}).Definition(); got == nil || len(got) != 0 {
		t.Errorf("without files: %v", got)
	}
}

func TestStale(t *testing.T) {
	read := File{Role: roleFragment, State: stateDeclared, Effective: true, Loaded: true}
	with := func(change func(*File)) []File {
		f := read
		change(&f)
		return []File{read, f}
	}
	cases := map[string]struct {
		unit Unit
		want bool
	}{
		"read as it is":         {Unit{Loaded: &Loaded{}, Files: []File{read}}, false},
		"not known":             {Unit{Files: []File{read}}, true},
		"systemd says so":       {Unit{Loaded: &Loaded{NeedDaemonReload: true}, Files: []File{read}}, true},
		"a setting differs":     {Unit{Loaded: &Loaded{Differs: []Difference{{Key: "Type"}}}, Files: []File{read}}, true},
		"changed after":         {Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.ChangedAfterLoad = true })}, true},
		"a drop-in is not read": {Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Role, f.Loaded = roleDropIn, false })}, true},
		"what is read no longer counts": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Effective = false })}, true},
		"neither counts nor is read": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Effective, f.Loaded = false, false })}, false},
		"a generated fragment is always newer": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.State, f.ChangedAfterLoad = stateGenerated, true })}, false},
		"a link that pulls it in is not read": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Role, f.Loaded = "wants", false })}, false},
	}
	for name, c := range cases {
		if got := c.unit.Stale(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
