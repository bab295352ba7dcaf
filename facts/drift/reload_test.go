package drift

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

func TestReload(t *testing.T) {
	loaded := facts.File{Path: "/f", Role: facts.RoleFragment, Kind: unitfile.Symlink, Target: "/t", State: facts.StateDeclared, DeclaredTarget: "/d", Effective: true, Loaded: true}
	with := func(change func(*facts.File)) facts.File {
		f := loaded
		change(&f)
		return f
	}
	for name, tc := range map[string]struct {
		file         facts.File
		loads, drops bool
	}{
		"nothing new":                 {loaded, false, false},
		"declared and changed":        {with(func(f *facts.File) { f.ChangedAfterLoad = true }), false, false},
		"undeclared, loaded as it is": {with(func(f *facts.File) { f.State, f.DeclaredTarget = facts.StateUndeclared, "" }), false, false},
		"undeclared and changed":      {with(func(f *facts.File) { f.State, f.DeclaredTarget, f.ChangedAfterLoad = facts.StateUndeclared, "", true }), true, false},
		"undeclared and not loaded":   {with(func(f *facts.File) { f.State, f.DeclaredTarget, f.Loaded = facts.StateUndeclared, "", false }), true, false},
		"undeclared and overridden": {with(func(f *facts.File) {
			f.State, f.DeclaredTarget, f.Loaded, f.Effective = facts.StateUndeclared, "", false, false
		}), false, false},
		"local, identical":             {with(func(f *facts.File) { f.State, f.ChangedAfterLoad = facts.StateIdentical, true }), false, false},
		"local, different":             {with(func(f *facts.File) { f.State, f.ChangedAfterLoad = facts.StateDifferent, true }), true, false},
		"other generation, not loaded": {with(func(f *facts.File) { f.State, f.ChangedAfterLoad = facts.StateOther, true }), true, false},
		"declared, gone": {with(func(f *facts.File) {
			f.State, f.Kind, f.Target, f.Effective = facts.StateMissing, unitfile.Missing, "", false
		}), false, true},
		"declared, dangling": {with(func(f *facts.File) { f.State, f.Target = facts.StateDangling, "" }), false, true},
		"declared, gone, not loaded": {with(func(f *facts.File) {
			f.State, f.Kind, f.Loaded, f.Effective = facts.StateMissing, unitfile.Missing, false, false
		}), false, false},
		"a folder in its place": {with(func(f *facts.File) {
			f.State, f.Kind, f.Target, f.Effective = facts.StateDirectory, unitfile.Directory, "/f", false
		}), false, true},
		"a link to a folder in its place": {with(func(f *facts.File) { f.State, f.Target, f.Effective = facts.StateDirectory, "/d", false }), false, true},
		"not to be read":                  {with(func(f *facts.File) { f.State, f.Kind = facts.StateUnreadable, unitfile.Regular }), false, true},
		"undeclared, gone": {with(func(f *facts.File) {
			f.State, f.Kind, f.DeclaredTarget, f.Effective = facts.StateUndeclared, unitfile.Missing, "", false
		}), false, false},
		"foreign wants link": {with(func(f *facts.File) {
			f.Role, f.Of, f.State, f.Loaded, f.Origin = "wants", "default.target", facts.StateUndeclared, false, facts.OriginUser
		}), true, false},
		"wants link of what is not up": {with(func(f *facts.File) {
			f.Role, f.Of, f.State, f.Loaded, f.Origin = "wants", "none.target", facts.StateUndeclared, false, facts.OriginUser
		}), false, false},
		"distribution's wants link": {with(func(f *facts.File) {
			f.Role, f.Of, f.State, f.Loaded, f.Origin = "wants", "default.target", facts.StateUndeclared, false, facts.OriginDistribution
		}), false, false},
		"declared wants link, dangling": {with(func(f *facts.File) {
			f.Role, f.Of, f.State, f.Target = "wants", "default.target", facts.StateDangling, ""
		}), false, true},
	} {
		u := Unit{
			Loaded:  systemd.Unit{LoadState: "loaded", FragmentPath: "/f"},
			Manager: &Manager{Loaded: map[string]bool{"default.target": true}},
			Files:   []File{{File: tc.file}},
		}
		got := u.Reload()
		if (len(got.LoadsUndeclared) > 0) != tc.loads || (len(got.DropsDeclared) > 0) != tc.drops {
			t.Errorf("%s: %+v, want loads %t, drops %t", name, got, tc.loads, tc.drops)
		}
		u.JustRead = true
		isRead := tc.file.Of == "" // a link of a unit that pulls it in was last read with that unit
		if got := u.Reload(); isRead && len(got.LoadsUndeclared)+len(got.DropsDeclared) != 0 || !isRead && (len(got.LoadsUndeclared) > 0 != tc.loads || len(got.DropsDeclared) > 0 != tc.drops) {
			t.Errorf("%s, read just now: %+v", name, got)
		}
		if tc.file.Role == facts.RoleFragment { // of a quadlet's source, which a reload reads
			u.Files[0].Role = facts.RoleSource
			if got := u.Reload(); (len(got.LoadsUndeclared) > 0) != tc.loads || (len(got.DropsDeclared) > 0) != tc.drops {
				t.Errorf("%s, a quadlet: %+v, want loads %t, drops %t", name, got, tc.loads, tc.drops)
			}
		}
	}
}

func TestReloadOfWhatIsGone(t *testing.T) {
	undeclared := facts.File{Path: "/etc/web.service", Role: facts.RoleFragment, Kind: unitfile.Regular, Target: "/etc/web.service", State: facts.StateUndeclared, Effective: true}
	link := undeclared
	link.Path, link.Role, link.Of, link.Origin = "/u/default.target.wants/web.service", "wants", "default.target", facts.OriginUser
	for name, tc := range map[string]struct {
		loaded systemd.Unit
		files  []File
		want   []string
	}{
		"neither loaded nor on disk":     {systemd.Unit{LoadState: "not-found"}, []File{{File: link}}, []string{}},
		"not loaded, on disk":            {systemd.Unit{LoadState: "not-found"}, []File{{File: undeclared}}, []string{undeclared.Path}},
		"not found, a fragment is known": {systemd.Unit{LoadState: "not-found", FragmentPath: "/f"}, []File{{File: link}}, []string{link.Path}},
	} {
		u := Unit{Loaded: tc.loaded, Files: tc.files, Manager: &Manager{Loaded: map[string]bool{"default.target": true}}}
		if got := u.Reload().LoadsUndeclared; !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// The lists are sorted, whatever the order of the files is.
func TestReloadIsSorted(t *testing.T) {
	var files []File
	for _, path := range []string{"/c", "/a", "/b"} {
		files = append(files, File{File: facts.File{Path: path, Role: facts.RoleDropIn, Kind: unitfile.Regular, State: facts.StateUndeclared, Effective: true}})
		files = append(files, File{File: facts.File{Path: path + "1", Role: facts.RoleDropIn, Kind: unitfile.Missing, State: facts.StateMissing, Loaded: true}})
	}
	u := Unit{Files: files, Manager: &Manager{}}
	want := facts.Reload{LoadsUndeclared: []string{"/a", "/b", "/c"}, DropsDeclared: []string{"/a1", "/b1", "/c1"}}
	if d := cmp.Diff(want, u.Reload()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
