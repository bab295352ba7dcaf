package drift

import (
	"slices"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// A unit pulls in others by what is loaded. A restart may start them only if a declared file
// or link says so.
func TestPulls(t *testing.T) {
	file := func(change func(*facts.File)) File {
		f := facts.File{Path: "/u/web.service", Role: facts.RoleFragment, State: facts.StateDeclared, Digest: "sha256:0", Effective: true}
		change(&f)
		return File{File: f}
	}
	link := func(of, state string) File {
		return file(func(f *facts.File) {
			f.Path, f.Role, f.Of, f.State = "/u/web.service.wants/"+of, facts.RoleOwnWants, of, state
		})
	}
	fragment := file(func(*facts.File) {})
	wants := func(units ...string) systemd.Unit { return systemd.Unit{ID: "web.service", Wants: units} }
	for name, c := range map[string]struct {
		loaded  systemd.Unit
		text    string // of the declared fragment
		files   []File
		aliases map[string]string
		want    []facts.Pull
	}{
		"nothing":                 {loaded: wants(), want: []facts.Pull{}},
		"declared by a setting":   {wants("db.service"), "[Unit]\nWants=db.service\n", []File{fragment}, nil, []facts.Pull{{Unit: "db.service", Kind: "wants", Declared: true}}},
		"by nobody":               {wants("evil.service"), "[Unit]\nWants=db.service\n", []File{fragment}, nil, []facts.Pull{{Unit: "evil.service", Kind: "wants"}}},
		"declared by a link":      {wants("db.service"), "", []File{fragment, link("db.service", facts.StateDeclared)}, nil, []facts.Pull{{Unit: "db.service", Kind: "wants", Declared: true}}},
		"by an undeclared link":   {wants("evil.service"), "", []File{fragment, link("evil.service", facts.StateUndeclared)}, nil, []facts.Pull{{Unit: "evil.service", Kind: "wants"}}},
		"by its alias":            {wants("db.service"), "[Unit]\nWants=data.service\n", []File{fragment}, map[string]string{"data.service": "db.service"}, []facts.Pull{{Unit: "db.service", Kind: "wants", Declared: true}}},
		"by a specifier":          {wants("web-db.service"), "[Unit]\nWants=%N-db.service\n", []File{fragment}, nil, []facts.Pull{{Unit: "web-db.service", Kind: "wants", Declared: true}}},
		"what systemd adds":       {wants("network-online.target", "systemd-oomd.service"), "", []File{fragment}, nil, []facts.Pull{}},
		"to be pulled at":         {systemd.Unit{ID: "x.target", Wants: []string{"evil.service"}}, "", nil, nil, []facts.Pull{}},
		"a file without effect":   {wants("db.service"), "[Unit]\nWants=db.service\n", []File{file(func(f *facts.File) { f.Effective = false })}, nil, []facts.Pull{{Unit: "db.service", Kind: "wants"}}},
		"the distribution's file": {wants("db.service"), "[Unit]\nWants=db.service\n", []File{file(func(f *facts.File) { f.State, f.Origin = facts.StateUndeclared, facts.OriginDistribution })}, nil, []facts.Pull{{Unit: "db.service", Kind: "wants", Declared: true}}},
		"in every way": {
			systemd.Unit{ID: "web.service", Wants: []string{"a.service"}, Requires: []string{"b.service", "basic.target"}, BindsTo: []string{"c.service"}, Upholds: []string{"d.service"}},
			"[Unit]\nRequires=b.service\nBindsTo=c.service\n", []File{fragment}, nil,
			[]facts.Pull{
				{Unit: "a.service", Kind: "wants"}, {Unit: "b.service", Kind: "requires", Declared: true},
				{Unit: "c.service", Kind: "binds-to", Declared: true}, {Unit: "d.service", Kind: "upholds"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := &Unit{Loaded: c.loaded, Files: c.files}
			read := func(paths []string) (unitfile.Settings, error) {
				if len(paths) == 0 {
					return settings(t, ""), nil
				}
				return settings(t, c.text), nil
			}
			got, err := u.listPulls(read, disk{aliases: c.aliases})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// A dependency that no file on disk names is one of a link that is gone, if a folder of links
// changed after the load.
func TestGoneOwnLink(t *testing.T) {
	load := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	link := File{File: facts.File{Path: "/u/web.service.wants/db.service", Role: facts.RoleOwnWants, Of: "db.service", State: facts.StateUndeclared, Effective: true}}
	fragment := File{File: facts.File{Path: "/u/web.service", Role: facts.RoleFragment, Digest: "sha256:0", State: facts.StateUndeclared, Effective: true}}
	for name, c := range map[string]struct {
		id      string
		loaded  systemd.Unit
		files   []File
		text    string
		changed time.Duration
		want    bool
	}{
		"a link that is gone":            {"web.service", systemd.Unit{Wants: []string{"db.service"}}, nil, "", time.Second, true},
		"another kind":                   {"web.service", systemd.Unit{Requires: []string{"db.service"}}, nil, "", time.Second, true},
		"no folder changed":              {"web.service", systemd.Unit{Wants: []string{"db.service"}}, nil, "", -time.Second, false},
		"the link is there":              {"web.service", systemd.Unit{Wants: []string{"db.service"}}, []File{link}, "", time.Second, false},
		"an undeclared file":             {"web.service", systemd.Unit{Wants: []string{"db.service"}}, []File{fragment}, "[Unit]\nWants=db.service\n", time.Second, false},
		"by a specifier":                 {"web.service", systemd.Unit{Wants: []string{"web-db.service"}}, []File{fragment}, "[Unit]\nWants=%N-db.service\n", time.Second, false},
		"added by systemd":               {"web.service", systemd.Unit{Requires: []string{"app.slice", "basic.target"}}, nil, "", time.Second, false},
		"a mount that a path needs":      {"web.service", systemd.Unit{Requires: []string{"srv.mount"}}, nil, "", time.Second, false},
		"a binding, which no link makes": {"web.service", systemd.Unit{BindsTo: []string{"db.service"}}, nil, "", time.Second, false},
		"a target":                       {"web.target", systemd.Unit{Wants: []string{"db.service"}}, nil, "", time.Second, false},
	} {
		c.loaded.ID = c.id
		u := Unit{Loaded: c.loaded, Files: c.files, Manager: &Manager{LoadedAt: load, Now: load.Add(time.Hour)}}
		read := func(paths []string) (unitfile.Settings, error) {
			if len(paths) == 0 {
				return unitfile.Settings{}, nil
			}
			return settings(t, c.text), nil
		}
		got, err := u.goneOwnLink(read, disk{changed: load.Add(c.changed)})
		if got != c.want || err != nil {
			t.Errorf("%s: %t, %v; want %t", name, got, err, c.want)
		}
	}
}
