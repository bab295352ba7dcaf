package facts

import (
	"slices"
	"testing"
)

func TestStale(t *testing.T) {
	read := File{Role: RoleFragment, State: StateDeclared, Effective: true, Loaded: true}
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
		"a drop-in is not read": {Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Role, f.Loaded = RoleDropIn, false })}, true},
		"what is read no longer counts": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Effective = false })}, true},
		"neither counts nor is read": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Effective, f.Loaded = false, false })}, false},
		"a generated fragment is always newer": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.State, f.ChangedAfterLoad = StateGenerated, true })}, false},
		"a link that pulls it in is not read": {
			Unit{Loaded: &Loaded{}, Files: with(func(f *File) { f.Role, f.Loaded = "wants", false })}, false},
	}
	for name, c := range cases {
		if got := c.unit.Stale(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestIsManaged(t *testing.T) {
	for by, want := range map[string]bool{ByHomeManager: true, ByConfig: true, "": false} {
		if got := (Unit{ManagedBy: by}).IsManaged(); got != want {
			t.Errorf("managed by %q: %t, want %t", by, got, want)
		}
	}
}

func TestSubjects(t *testing.T) {
	link := []File{{Role: RoleFragment, State: StateOther}}
	doc := &Document{
		Units: []Unit{
			{Name: "web.service", ManagedBy: ByConfig}, {Name: "orphan.service", Files: link},
			{Name: "own.service", Files: []File{{Role: RoleFragment, State: StateUndeclared}}},
		},
		Manager: &Manager{FailedNoFile: []string{"failed.service"}, RunningNoFile: []string{"runs.service"}},
	}
	want := []string{"web.service", "orphan.service", "failed.service", "runs.service"}
	if got := doc.Subjects(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
