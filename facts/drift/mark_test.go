package drift

import (
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

func at(seconds int64) time.Time { return time.Unix(seconds, 0) }

func TestIsAfterLoad(t *testing.T) {
	m := Manager{LoadedAt: at(1000), Now: at(2000)}
	for name, tc := range map[string]struct {
		at   time.Time
		want bool
	}{
		"later":                       {at(1001), true},
		"at the load":                 {at(1000), true},
		"one tick of the clock early": {at(1000).Add(-clockSlack), true},
		"earlier":                     {at(1000).Add(-2 * clockSlack), false},
	} {
		if got := m.IsAfterLoad(tc.at); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	m.Now = at(999)
	if m.IsAfterLoad(at(1)) {
		t.Error("the clock was set back by less than it is imprecise, and every file counts as changed")
	}
	m.Now = at(998)
	if !m.IsAfterLoad(at(1)) {
		t.Error("the clock was set back, and a time from before counts as proof")
	}
}

// flags are what Mark sets: Effective, Loaded, ChangedAfterLoad.
type flags struct{ effective, loaded, changed bool }

func mark(u Unit, known *facts.Load) []flags {
	if u.Manager == nil {
		u.Manager = &Manager{LoadedAt: at(1000), Now: at(2000), Loaded: map[string]bool{"default.target": true}}
	}
	u.Mark(known)
	var got []flags
	for _, f := range u.Files {
		got = append(got, flags{f.Effective, f.Loaded, f.ChangedAfterLoad})
	}
	return got
}

func TestMark(t *testing.T) {
	file := func(role, path, kind string) File {
		target := path
		if kind == unitfile.Missing {
			target = ""
		}
		return File{File: facts.File{Role: role, Path: path, Kind: kind, Target: target}}
	}
	fragment := func(path, kind string) File { return file(facts.RoleFragment, path, kind) }
	dropIn := func(path, kind string, hidden bool) File {
		f := file(facts.RoleDropIn, path, kind)
		f.Hidden = hidden
		return f
	}
	link := func(path, kind, target string) File {
		f := file("wants", path, kind)
		f.Of, f.Target = "default.target", target
		return f
	}
	loaded := systemd.Unit{FragmentPath: "/u/web.service", DropInPaths: []string{"/u/a.conf"}, SourcePath: "/q/web.container", WantedBy: []string{"default.target"}}
	used, unused, only := flags{effective: true, loaded: true}, flags{}, flags{effective: true}
	for name, tc := range map[string]struct {
		files []File
		want  []flags
	}{
		"the fragment": {[]File{fragment("/u/web.service", unitfile.Symlink)}, []flags{used}},
		"a fragment in a folder of higher priority": {
			[]File{fragment("/c/web.service", unitfile.Regular), fragment("/u/web.service", unitfile.Symlink)}, []flags{only, {loaded: true}}},
		"a fragment in a folder of lower priority": {
			[]File{fragment("/u/web.service", unitfile.Symlink), fragment("/etc/web.service", unitfile.Regular)}, []flags{used, unused}},
		"the loaded fragment is gone": {
			[]File{fragment("/etc/web.service", unitfile.Regular), fragment("/u/web.service", unitfile.Missing)}, []flags{only, {loaded: true}}},
		"a folder in the fragment's place": {
			[]File{fragment("/u/web.service", unitfile.Directory), fragment("/etc/web.service", unitfile.Regular)}, []flags{{loaded: true}, only}},
		"a drop-in":                                         {[]File{dropIn("/u/a.conf", unitfile.Symlink, false)}, []flags{used}},
		"a drop-in that is hidden":                          {[]File{dropIn("/u/a.conf", unitfile.Symlink, true)}, []flags{{loaded: true}}},
		"a drop-in that is gone":                            {[]File{dropIn("/u/a.conf", unitfile.Missing, true)}, []flags{{loaded: true}}},
		"a drop-in that was not read":                       {[]File{dropIn("/u/b.conf", unitfile.Regular, false)}, []flags{only}},
		"several drop-ins all count":                        {[]File{dropIn("/u/a.conf", unitfile.Regular, false), dropIn("/u/b.conf", unitfile.Regular, false)}, []flags{used, only}},
		"a quadlet's source":                                {[]File{file(facts.RoleSource, "/q/web.container", unitfile.Symlink)}, []flags{used}},
		"a source that moved":                               {[]File{file(facts.RoleSource, "/q/new/web.container", unitfile.Symlink), file(facts.RoleSource, "/q/web.container", unitfile.Regular)}, []flags{only, {loaded: true}}},
		"a declared source that is gone":                    {[]File{file(facts.RoleSource, "/q/new/web.container", unitfile.Missing), file(facts.RoleSource, "/q/web.container", unitfile.Regular)}, []flags{unused, {loaded: true}}},
		"a drop-in of the source":                           {[]File{file(facts.RoleSourceDropIn, "/q/web.container.d/a.conf", unitfile.Regular)}, []flags{used}},
		"a drop-in of the source's type":                    {[]File{file(facts.RoleSourceDropIn, "/q/container.d/a.conf", unitfile.Regular)}, []flags{used}},
		"a drop-in of the source that another one replaces": {[]File{{File: facts.File{Role: facts.RoleSourceDropIn, Path: "/q/container.d/a.conf", Kind: unitfile.Regular, Target: "/x"}, Hidden: true}}, []flags{unused}},
		"a drop-in of the source that is gone":              {[]File{file(facts.RoleSourceDropIn, "/q/web.container.d/a.conf", unitfile.Missing)}, []flags{{loaded: true}}},
		"a drop-in of another source":                       {[]File{file(facts.RoleSourceDropIn, "/q/web.container.d2/a.conf", unitfile.Regular)}, []flags{only}},
		"a link":                                            {[]File{link("/u/default.target.wants/web.service", unitfile.Symlink, "/u/web.service")}, []flags{used}},
		"a link to nowhere counts":                          {[]File{link("/u/default.target.wants/web.service", unitfile.Symlink, "")}, []flags{used}},
		"a link that is gone":                               {[]File{link("/u/default.target.wants/web.service", unitfile.Missing, "")}, []flags{{loaded: true}}},
		"a masked link":                                     {[]File{link("/u/default.target.wants/web.service", unitfile.Symlink, "/dev/null")}, []flags{{loaded: true}}},
		"a file in a link's place":                          {[]File{link("/u/default.target.wants/web.service", unitfile.Regular, "/x")}, []flags{{loaded: true}}},
		"a mask hides the links below it":                   {[]File{link("/u/default.target.wants/web.service", unitfile.Symlink, "/dev/null"), link("/usr/default.target.wants/web.service", unitfile.Symlink, "/x")}, []flags{{loaded: true}, {loaded: true}}},
		"a missing one hides nothing":                       {[]File{link("/u/default.target.wants/web.service", unitfile.Missing, ""), link("/usr/default.target.wants/web.service", unitfile.Symlink, "/x")}, []flags{{loaded: true}, used}},
	} {
		got := mark(Unit{Loaded: loaded, Files: tc.files}, nil)
		for i, want := range tc.want {
			if got[i] != want {
				t.Errorf("%s: file %d: %+v, want %+v", name, i, got[i], want)
			}
		}
	}
}

func TestMarkLinksByKind(t *testing.T) {
	loaded := systemd.Unit{WantedBy: []string{"w.target"}, RequiredBy: []string{"r.target"}, UpheldBy: []string{"u.target"}}
	for _, kind := range []string{"wants", "requires", "upholds"} {
		for _, owner := range []string{"w.target", "r.target", "u.target"} {
			want := owner[0] == kind[0]
			f := File{File: facts.File{Role: kind, Of: owner, Kind: unitfile.Symlink, Target: "/x"}}
			all := map[string]bool{"w.target": true, "r.target": true, "u.target": true}
			if got := mark(Unit{Loaded: loaded, Files: []File{f}, Manager: &Manager{Loaded: all}}, nil); got[0].loaded != want {
				t.Errorf("%s link of %s: loaded %t", kind, owner, got[0].loaded)
			}
			if got := mark(Unit{Loaded: loaded, Files: []File{f}, Manager: &Manager{}}, nil); got[0].loaded {
				t.Errorf("%s link of %s, which is not in memory, counts as loaded", kind, owner)
			}
		}
	}
}

// Before 253 systemd reads no .upholds folders: a link there waits for no reload.
func TestUpholdsAreNotAlwaysRead(t *testing.T) {
	for _, tc := range []struct {
		role     string
		noUphold bool
		want     bool
	}{
		{"upholds", false, true}, {"upholds", true, false}, {facts.RoleOwnUpholds, false, true}, {facts.RoleOwnUpholds, true, false}, {"wants", true, true},
	} {
		f := File{File: facts.File{Role: tc.role, Of: "default.target", Kind: unitfile.Symlink, Target: "/x"}}
		if got := mark(Unit{Files: []File{f}, Manager: &Manager{NoUphold: tc.noUphold}}, nil); got[0].effective != tc.want {
			t.Errorf("%s, no .upholds folders %t: effective %t", tc.role, tc.noUphold, got[0].effective)
		}
	}
}

func TestChangedAfterLoad(t *testing.T) {
	load := func(loadedAt int64, path, digest string) *facts.Load {
		return &facts.Load{LoadedAt: at(loadedAt), Files: []facts.LoadedFile{{Path: "/other", Digest: "x"}, {Path: path, Digest: digest}}}
	}
	earlier, later := at(900), at(1100)
	for name, tc := range map[string]struct {
		changed  *time.Time
		known    *facts.Load
		role     string
		state    string
		justRead bool
		want     bool
	}{
		"not changed":                      {changed: &earlier},
		"changed":                          {changed: &later, want: true},
		"no time is known":                 {},
		"changed, and read for this audit": {changed: &later, justRead: true},
		"a quadlet that changed, its unit read now":    {changed: &later, role: facts.RoleSource, justRead: true, want: true},
		"a quadlet that did not, its unit read now":    {changed: &earlier, role: facts.RoleSource, justRead: true},
		"a quadlet's drop-in, its unit read now":       {changed: &later, role: facts.RoleSourceDropIn, justRead: true, want: true},
		"newer, with the content that is loaded":       {changed: &later, known: load(1000, "/f", "digest")},
		"older, with other content than is loaded":     {changed: &earlier, known: load(1000, "/f", "loaded"), want: true},
		"known of an earlier load":                     {changed: &earlier, known: load(999, "/f", "loaded")},
		"known of another file":                        {changed: &later, known: load(1000, "/g", "digest"), want: true},
		"other content, and read for this audit":       {changed: &later, known: load(1000, "/f", "loaded"), justRead: true},
		"a link's content is not known":                {changed: &later, known: load(1000, "/f", "digest"), role: "wants", want: true},
		"a generated fragment is new after every load": {changed: &later, known: load(1000, "/f", "digest"), state: facts.StateGenerated, want: true},
	} {
		role := tc.role
		if role == "" {
			role = facts.RoleFragment
		}
		f := facts.File{Path: "/f", Role: role, State: tc.state, Kind: unitfile.Regular, Digest: "digest", ChangedAt: tc.changed}
		u := Unit{Loaded: systemd.Unit{FragmentPath: "/f"}, JustRead: tc.justRead, Files: []File{{File: f}}}
		if got := mark(u, tc.known)[0].changed; got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A file that is not loaded cannot be a file that an earlier audit recorded as loaded.
func TestKnownFileIsNoLongerLoaded(t *testing.T) {
	changed := at(1100)
	f := facts.File{Path: "/f", Role: facts.RoleFragment, Kind: unitfile.Regular, Digest: "digest", ChangedAt: &changed}
	known := &facts.Load{LoadedAt: at(1000), Files: []facts.LoadedFile{{Path: "/f", Digest: "digest"}}}
	u := Unit{Loaded: systemd.Unit{FragmentPath: "/elsewhere"}, Files: []File{{File: f}}}
	if got := mark(u, known)[0]; !got.changed {
		t.Errorf("%+v: the time of the change has to decide", got)
	}
}

// A file that has a higher priority than the folder of generators, also a mask, takes the
// place of a quadlet's unit: a reload would not read the quadlet into it.
func TestMarkAHiddenQuadlet(t *testing.T) {
	for origin, hides := range map[string]bool{
		facts.OriginUser: true, facts.OriginControl: true, facts.OriginEtc: true, facts.OriginRuntime: true,
		facts.OriginGenerator: false, facts.OriginDistribution: false, facts.OriginOther: false,
	} {
		for _, target := range []string{"/x/web.service", "/dev/null"} {
			fragment := File{File: facts.File{Role: facts.RoleFragment, Origin: origin, Path: "/x/web.service", Kind: unitfile.Symlink, Target: target}}
			source := File{File: facts.File{Role: facts.RoleSource, Path: "/q/web.container", Kind: unitfile.Regular, Target: "/q/web.container"}}
			got := mark(Unit{Files: []File{fragment, source}}, nil)
			if !got[0].effective || got[1].effective == hides {
				t.Errorf("%s -> %s: %+v", origin, target, got)
			}
		}
	}
}
