package drift

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// A scene is one unit of Home Manager in a small model of a machine: what the manager has
// loaded, and what is on disk now. Only loading copies from disk.
type scene struct {
	unit     systemd.Unit
	files    []File
	contents map[string]string // path -> text; what is not there cannot be read
	owners   disk
	t        *testing.T
}

const (
	own      = "/home/a/.config/systemd/user/"
	fragment = own + "web.service"
	dropIn   = own + "web.service.d/a.conf"
	wants    = own + "default.target.wants/web.service"
	above    = "/home/a/.config/systemd/user.control/web.service"
	below    = "/etc/systemd/user/web.service"
)

// The manager loaded everything at second 1000. Home Manager made its links before that,
// and their targets in the Nix store are from second 1.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, contents: map[string]string{}, owners: disk{
		settings: map[string][]unitfile.Settings{"default.target": {settings(t, "[Unit]")}},
		linked:   map[string][]string{"default.target.wants": {"web.service"}},
		changed:  at(900),
	}}
	s.put(facts.RoleFragment, fragment, "[Unit]\nDescription=first\n[Service]\nExecStart=/bin/first\n", 900)
	s.put(facts.RoleDropIn, dropIn, "[Service]\nEnvironment=A=first\n", 900)
	s.put("wants", wants, "", 900)
	s.file(wants).Of = "default.target"
	s.unit = systemd.Unit{
		ID: "web.service", LoadState: "loaded", ActiveState: "active", FragmentPath: fragment, DropInPaths: []string{dropIn},
		WantedBy: []string{"default.target"}, Description: "first",
		Service: &systemd.Service{
			Type: "simple", ExecStart: []systemd.Exec{{Path: "/bin/first", Argv: []string{"/bin/first"}}}, Environment: []string{"A=first"},
		},
	}
	return s
}

// put adds a declared link that was written at the given second.
func (s *scene) put(role, path, text string, second int64) *File {
	changed := at(second)
	s.contents[path] = text
	s.files = append(s.files, File{File: facts.File{
		Path: path, Role: role, Origin: facts.OriginUser, Kind: unitfile.Symlink, Target: "/nix/store" + path, DeclaredTarget: "/nix/store/files" + path,
		State: facts.StateDeclared, Digest: text, ChangedAt: &changed,
	}})
	return &s.files[len(s.files)-1]
}

func (s *scene) file(path string) *File {
	s.t.Helper()
	i := slices.IndexFunc(s.files, func(f File) bool { return f.Path == path })
	if i < 0 {
		s.t.Fatalf("the scene has no %s", path)
	}
	return &s.files[i]
}

// write changes the content of an existing file, at second 1100.
func (s *scene) write(path, text string) {
	f, changed := s.file(path), at(1100)
	s.contents[path], f.Digest, f.ChangedAt = text, text, &changed
}

// remove deletes a file.
func (s *scene) remove(path, state string) {
	f := s.file(path)
	f.Kind, f.Target, f.Digest, f.State, f.ChangedAt = unitfile.Missing, "", "", state, nil
	delete(s.contents, path)
}

// first moves the last file to the front.
func (s *scene) first() {
	last := len(s.files) - 1
	s.files = append([]File{s.files[last]}, s.files[:last]...)
}

func (s *scene) read(paths []string) (unitfile.Settings, error) {
	var text strings.Builder
	for _, p := range paths {
		content, ok := s.contents[p]
		if !ok {
			return unitfile.Settings{}, errors.New("no such file: " + p)
		}
		text.WriteString(content + "\n")
	}
	return settings(s.t, text.String()), nil
}

// signs are all signs that a unit is out of date, and what a reload would do.
type signs struct {
	Unread, Lost, Changed []string // paths
	Differs               []string // keys
	LinksUnread           []string
	LinksGone             []string
	LoadsUndeclared       []string
	DropsDeclared         []string
}

func (s *scene) signs() (got signs) {
	s.t.Helper()
	u := Unit{Loaded: s.unit, Files: s.files, Manager: &Manager{LoadedAt: at(1000), Now: at(2000), Loaded: map[string]bool{"default.target": true}}}
	u.Mark(nil)
	d, err := u.Compare(s.read, unitfile.Specifiers{}, s.owners)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range u.Files {
		switch {
		case f.isLink():
		case f.Effective && !f.Loaded:
			got.Unread = append(got.Unread, f.Path)
		case f.Loaded && !f.Effective:
			got.Lost = append(got.Lost, f.Path)
		case f.ChangedAfterLoad:
			got.Changed = append(got.Changed, f.Path)
		}
	}
	for _, x := range d.Settings {
		got.Differs = append(got.Differs, x.Key)
	}
	got.LinksUnread, got.LinksGone = append(got.LinksUnread, d.LinksUnread...), append(got.LinksGone, d.LinksGone...)
	reload := u.Reload()
	got.LoadsUndeclared, got.DropsDeclared = append(got.LoadsUndeclared, reload.LoadsUndeclared...), append(got.DropsDeclared, reload.DropsDeclared...)
	return got
}

// TestSilentChanges has changes on disk for which NeedDaemonReload says no in systemd 252,
// 257 or both (measured), and changes for which it says yes.
func TestSilentChanges(t *testing.T) {
	regular := func(f *File, state string) { f.Kind, f.State, f.Target = unitfile.Regular, state, f.Path }
	for name, tc := range map[string]struct {
		change func(*scene)
		want   signs
	}{
		"nothing": {func(*scene) {}, signs{}},
		"link moved to a new generation with other content": {
			func(s *scene) { s.write(fragment, "[Unit]\nDescription=second\n[Service]\nExecStart=/bin/second\n") },
			signs{Changed: []string{fragment}, Differs: []string{"Description", "ExecStart"}}},
		"link moved to a new generation, settings that D-Bus does not show": {
			func(s *scene) { s.write(fragment, s.contents[fragment]+"IOWeight=200\n") },
			signs{Changed: []string{fragment}}},
		"local file put back to a link": {
			func(s *scene) {
				s.unit.Description = "local"
				s.write(fragment, s.contents[fragment])
			},
			signs{Changed: []string{fragment}, Differs: []string{"Description"}}},
		"drop-in content changed, same path": {
			func(s *scene) { s.write(dropIn, "[Service]\nEnvironment=A=second\n") },
			signs{Changed: []string{dropIn}, Differs: []string{"Environment"}}},
		"a new drop-in folder appears": {
			func(s *scene) {
				s.put(facts.RoleDropIn, own+"web-.service.d/a.conf", "[Unit]\nDescription=new\n", 1100)
			},
			signs{Unread: []string{own + "web-.service.d/a.conf"}, Differs: []string{"Description"}}},
		"a new drop-in file in a folder that was there": {
			func(s *scene) {
				s.put(facts.RoleDropIn, own+"web.service.d/b.conf", "[Service]\nEnvironment=B=1\n", 1100)
			},
			signs{Unread: []string{own + "web.service.d/b.conf"}, Differs: []string{"Environment"}}},
		"a new drop-in that nothing declares": {
			func(s *scene) {
				f := s.put(facts.RoleDropIn, own+"web.service.d/b.conf", "[Service]\nType=oneshot\n", 1100)
				regular(f, facts.StateUndeclared)
				f.DeclaredTarget = ""
			},
			signs{Unread: []string{own + "web.service.d/b.conf"}, Differs: []string{"Type"}, LoadsUndeclared: []string{own + "web.service.d/b.conf"}}},
		"a type-level drop-in appears": {
			func(s *scene) {
				s.put(facts.RoleDropIn, own+"service.d/a.conf", "[Service]\nTimeoutStartSec=5\n", 1100)
			},
			signs{Unread: []string{own + "service.d/a.conf"}, Differs: []string{"TimeoutStartSec"}}},
		"the unit appears in a folder of higher priority": {
			func(s *scene) {
				regular(s.put(facts.RoleFragment, above, "[Unit]\nDescription=above\n", 1100), facts.StateUndeclared)
				s.file(above).DeclaredTarget = ""
				s.first()
			},
			signs{Unread: []string{above}, Lost: []string{fragment}, LoadsUndeclared: []string{above}}},
		"the migration from /etc to the user's folder": {
			func(s *scene) {
				regular(s.put(facts.RoleFragment, below, "[Unit]\nDescription=first\n", 900), facts.StateUndeclared)
				s.file(below).DeclaredTarget = ""
				s.unit.FragmentPath = below
			},
			signs{Unread: []string{fragment}, Lost: []string{below}}},
		"a wants link added": {
			func(s *scene) { s.unit.WantedBy = nil },
			signs{LinksUnread: []string{"default.target"}}},
		"a wants link removed": {
			func(s *scene) {
				s.remove(wants, facts.StateUndeclared)
				s.file(wants).DeclaredTarget = ""
				s.owners.linked, s.owners.changed = nil, at(1100)
			},
			signs{LinksGone: []string{"default.target"}}},
		"a declared wants link removed": {
			func(s *scene) {
				s.remove(wants, facts.StateMissing)
				s.owners.linked, s.owners.changed = nil, at(1100)
			},
			signs{LinksGone: []string{"default.target"}, DropsDeclared: []string{wants}}},
		"drop-in removed": {
			func(s *scene) {
				s.remove(dropIn, facts.StateUndeclared)
				s.file(dropIn).DeclaredTarget = ""
			},
			signs{Lost: []string{dropIn}, Differs: []string{"Environment"}}},
		"declared drop-in removed": {
			func(s *scene) { s.remove(dropIn, facts.StateMissing) },
			signs{Lost: []string{dropIn}, Differs: []string{"Environment"}, DropsDeclared: []string{dropIn}}},
		"link replaced by an identical regular file": {
			func(s *scene) {
				regular(s.file(fragment), facts.StateIdentical)
				s.write(fragment, s.contents[fragment])
			},
			signs{Changed: []string{fragment}}},
		"link replaced by a regular file with other content": {
			func(s *scene) {
				regular(s.file(fragment), facts.StateDifferent)
				s.write(fragment, "[Unit]\nDescription=local\n[Service]\nExecStart=/bin/first\n")
			},
			signs{Changed: []string{fragment}, Differs: []string{"Description"}, LoadsUndeclared: []string{fragment}}},
		"link deleted": {
			func(s *scene) { s.remove(fragment, facts.StateMissing) },
			signs{Lost: []string{fragment}, DropsDeclared: []string{fragment}}},
		"the link's target garbage-collected": {
			func(s *scene) {
				f := s.file(fragment)
				f.Target, f.Digest, f.State = "", "", facts.StateDangling
				delete(s.contents, fragment)
			},
			signs{DropsDeclared: []string{fragment}}},
		"deleted, then reloaded, while active": {
			func(s *scene) {
				s.remove(fragment, facts.StateMissing)
				s.unit = systemd.Unit{ID: "web.service", LoadState: "not-found", ActiveState: "active"}
			},
			signs{Unread: []string{dropIn}}},
		"deleted, then reloaded, copy in a lower folder": {
			func(s *scene) {
				s.remove(fragment, facts.StateMissing)
				regular(s.put(facts.RoleFragment, below, "[Unit]\nDescription=first\n[Service]\nExecStart=/bin/first\n", 900), facts.StateUndeclared)
				s.file(below).DeclaredTarget = ""
				s.unit.FragmentPath = below
				s.first()
			},
			signs{}},
		"recreated with the content that is loaded, as its revision stamp proves": {
			func(s *scene) {
				s.write(fragment, "[Unit]\nDocumentation=info:stackpolicy-rev-1\n"+s.contents[fragment][len("[Unit]\n"):])
				s.unit.Description, s.unit.Documentation = "first", []string{"info:stackpolicy-rev-1"}
			},
			signs{}},
		"a revision stamp of another revision": {
			func(s *scene) {
				s.write(fragment, "[Unit]\nDescription=first\nDocumentation=info:stackpolicy-rev-2\n[Service]\nExecStart=/bin/first\n")
				s.unit.Documentation = []string{"info:stackpolicy-rev-1"}
			},
			signs{Changed: []string{fragment}, Differs: []string{"Documentation"}}},
		"a revision stamp in a file that nothing declares": {
			func(s *scene) {
				s.write(fragment, "[Unit]\nDescription=first\nDocumentation=info:stackpolicy-rev-1\n[Service]\nExecStart=/bin/first\n")
				regular(s.file(fragment), facts.StateDifferent)
				s.unit.Documentation = []string{"info:stackpolicy-rev-1"}
			},
			signs{Changed: []string{fragment}, LoadsUndeclared: []string{fragment}}},
		"two revision stamps prove nothing": {
			func(s *scene) {
				s.write(fragment, "[Unit]\nDescription=first\nDocumentation=info:stackpolicy-rev-1 info:stackpolicy-rev-2\n[Service]\nExecStart=/bin/first\n")
				s.unit.Documentation = []string{"info:stackpolicy-rev-1", "info:stackpolicy-rev-2"}
			},
			signs{Changed: []string{fragment}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			tc.change(s)
			if d := cmp.Diff(tc.want, s.signs()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// A unit that the manager read for this audit is the same as on disk, so no difference
// may be reported.
func TestJustRead(t *testing.T) {
	s := newScene(t)
	s.write(fragment, "[Unit]\nDescription=second\n")
	u := Unit{Loaded: s.unit, Files: s.files, JustRead: true, Manager: &Manager{LoadedAt: at(1000), Now: at(2000)}}
	u.Mark(nil)
	s.owners.linked, s.owners.changed = nil, at(1100)
	d, err := u.Compare(s.read, unitfile.Specifiers{}, s.owners)
	want := Difference{Settings: []facts.Difference{}, LinksUnread: []string{}, LinksGone: []string{}, Pulls: []facts.Pull{}}
	if diff := cmp.Diff(want, d); diff != "" || err != nil {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
}

func TestCompareReportsWhatItCannotRead(t *testing.T) {
	s := newScene(t)
	delete(s.contents, dropIn)
	u := Unit{Loaded: s.unit, Files: s.files, Manager: &Manager{LoadedAt: at(1000), Now: at(2000).Add(time.Hour)}}
	u.Mark(nil)
	if _, err := u.Compare(s.read, unitfile.Specifiers{}, s.owners); err == nil || !strings.Contains(err.Error(), "a.conf") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
