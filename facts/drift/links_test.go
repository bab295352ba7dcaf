package drift

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// disk has the files and links of owners.
type disk struct {
	settings map[string][]unitfile.Settings // owner -> its files
	linked   map[string][]string            // folder, such as x.target.wants -> names of links
	changed  time.Time
	aliases  map[string]string // alias -> unit
}

func (d disk) Settings(owner string) []unitfile.Settings       { return d.settings[owner] }
func (d disk) Linked(owner, kind string) []string              { return d.linked[owner+"."+kind] }
func (d disk) AliasOf(name string) string                      { return d.aliases[name] }
func (d disk) LinksChanged(string) time.Time                   { return d.changed }
func (d disk) define(owner string, files ...unitfile.Settings) { d.settings[owner] = files }

func settings(t *testing.T, text string) unitfile.Settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unit")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := unitfile.Read([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A dependency that nothing on disk explains comes from a link that is gone. A reload
// would not remove any other dependency.
func TestGoneLinks(t *testing.T) {
	for name, tc := range map[string]struct {
		unit     string
		aliases  []string
		kind     string // "" is wants
		owner    string // "" is x.target
		settings string // of the owner's file; "-" is no file
		linked   map[string][]string
		want     bool
	}{
		"nothing explains it":                     {unit: "web.service", want: true},
		"required, nothing explains it":           {unit: "web.service", kind: "requires", want: true},
		"upheld, nothing explains it":             {unit: "web.service", kind: "upholds", want: true},
		"the link is there":                       {unit: "web.service", linked: map[string][]string{"x.target.wants": {"web.service"}}},
		"a link by the unit's alias":              {unit: "web.service", aliases: []string{"www.service"}, linked: map[string][]string{"x.target.wants": {"www.service"}}},
		"a link of another kind":                  {unit: "web.service", linked: map[string][]string{"x.target.requires": {"web.service"}}, want: true},
		"a link of another owner":                 {unit: "web.service", linked: map[string][]string{"y.target.wants": {"web.service"}}, want: true},
		"a link by the template's name":           {unit: "h@x.service", linked: map[string][]string{"x.target.wants": {"h@.service"}}},
		"a template's link, for another instance": {unit: "h@y.service", linked: map[string][]string{"x.target.wants": {"h@.service"}}, want: true},
		"a template's link of an instance":        {unit: "h@one.service", owner: "web@one.service", linked: map[string][]string{"web@one.service.wants": {"h@.service"}}},
		"a setting":                               {unit: "web.service", settings: "Wants=db.service web.service"},
		"a setting with quotes":                   {unit: "web.service", settings: "Wants=\"web.service\" 'db.service'"},
		"a setting before an empty one":           {unit: "web.service", settings: "Wants=web.service\nWants="},
		"a setting in another section":            {unit: "web.service", settings: "[X-Other]\nWants=web.service", want: true},
		"a setting of another kind":               {unit: "web.service", settings: "After=web.service\nRequires=web.service", want: true},
		"a setting of that kind":                  {unit: "web.service", kind: "requires", settings: "Requires=web.service"},
		"a setting with its old name":             {unit: "web.service", kind: "requires", settings: "RequiresOverridable=web.service"},
		"Upholds=":                                {unit: "web.service", kind: "upholds", settings: "Upholds=web.service"},
		"Sockets=":                                {unit: "web.socket", owner: "web.service", settings: "[Service]\nSockets=web.socket"},
		"%N":                                      {unit: "web-db.service", owner: "web.service", settings: "Wants=%N-db.service"},
		"%N of another unit":                      {unit: "api-db.service", owner: "web.service", settings: "Wants=%N-db.service", want: true},
		"%i":                                      {unit: "h@one.service", owner: "web@one.service", settings: "Wants=h@%i.service"},
		"%i of another instance":                  {unit: "h@two.service", owner: "web@one.service", settings: "Wants=h@%i.service", want: true},
		"%p":                                      {unit: "web-db.service", owner: "web@one.service", settings: "Wants=%p-db.service"},
		"a specifier that is not known":           {unit: "h@host.service", settings: "Wants=h@%H.service"},
		"a specifier that cannot mean the unit":   {unit: "web.service", settings: "Wants=h@%H.service", want: true},
		"a template's name in a setting":          {unit: "h@web.service", owner: "web.service", settings: "Wants=h@.service"},
		"an alias in a setting":                   {unit: "web.service", aliases: []string{"www.service"}, settings: "Wants=www.service"},
		"an escaped name":                         {unit: `a\x2db.service`, settings: `Wants=a\x2db.service`},
		"another escaped name":                    {unit: `a\x2db.service`, settings: `Wants=ax2db.service`, want: true},
		"Slice=":                                  {unit: "media.slice", kind: "requires", owner: "web.service", settings: "[Service]\nSlice=media.slice"},
		"a slice that is wanted":                  {unit: "media.slice", want: true},
		"a slice that is upheld":                  {unit: "media.slice", kind: "upholds", want: true},
		"a default dependency":                    {unit: "basic.target", kind: "requires", owner: "web.service"},
		"basic.target that is wanted":             {unit: "basic.target", want: true},
		"Type=dbus":                               {unit: "dbus.socket", kind: "requires", owner: "web.service"},
		"a mount that a path needs":               {unit: "srv.mount", kind: "requires", owner: "web.service"},
		"a mount that a path wants":               {unit: "tmp.mount", owner: "web.service"},
		"a device":                                {unit: "dev-sda.device", owner: "srv.mount"},
		"a log namespace":                         {unit: "systemd-journald@x.socket", kind: "requires", owner: "web.service"},
		"ManagedOOM=":                             {unit: "systemd-oomd.service", owner: "web.service"},
		"a kernel module":                         {unit: "modprobe@loop.service", owner: "web.service"},
		"an owner that no file defines":           {unit: "web.service", owner: "session.scope", settings: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, owner := orElse(tc.kind, "wants"), orElse(tc.owner, "x.target")
			d := disk{settings: map[string][]unitfile.Settings{}, linked: tc.linked, changed: at(1001)}
			if tc.settings != "-" {
				d.define(owner, settings(t, "[Unit]\nDescription=x"), settings(t, "[Unit]\n"+tc.settings))
			}
			loaded := systemd.Unit{ID: tc.unit, Names: append(tc.aliases, tc.unit), LoadState: "loaded"}
			switch kind {
			case "wants":
				loaded.WantedBy = []string{owner}
			case "requires":
				loaded.RequiredBy = []string{owner}
			default:
				loaded.UpheldBy = []string{owner}
			}
			u := Unit{Loaded: loaded, Manager: &Manager{LoadedAt: at(1000), Now: at(2000)}}
			if got := u.goneLinks(d); slices.Equal(got, []string{owner}) != tc.want || len(got) > 1 {
				t.Errorf("got %v, want it to be gone: %t", got, tc.want)
			}
		})
	}
}

func orElse(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

func TestGoneLinksNeedAChange(t *testing.T) {
	d := disk{settings: map[string][]unitfile.Settings{}, changed: at(999)}
	for _, owner := range []string{"a.target", "b.target"} {
		d.define(owner, settings(t, "[Unit]"))
	}
	u := Unit{
		Loaded:  systemd.Unit{ID: "web.service", WantedBy: []string{"b.target", "a.target"}, RequiredBy: []string{"a.target"}},
		Manager: &Manager{LoadedAt: at(1000), Now: at(2000)},
	}
	if got := u.goneLinks(d); got == nil || len(got) > 0 {
		t.Errorf("no folder changed since the load, and the links are gone: %v", got)
	}
	d.changed = at(1001)
	if got, want := u.goneLinks(d), []string{"a.target", "b.target"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want each owner once, in order: %v", got, want)
	}
}

func TestUnreadLinks(t *testing.T) {
	link := facts.File{Role: "wants", Of: "x.target", Kind: unitfile.Symlink, Effective: true}
	with := func(change func(*facts.File)) facts.File {
		f := link
		change(&f)
		return f
	}
	for name, tc := range map[string]struct {
		file      facts.File
		loadState string
		want      bool
	}{
		"not read":               {link, "loaded", true},
		"read":                   {with(func(f *facts.File) { f.Loaded = true }), "loaded", false},
		"masked or hidden":       {with(func(f *facts.File) { f.Effective = false }), "loaded", false},
		"of an owner not loaded": {with(func(f *facts.File) { f.Of = "none.target" }), "loaded", false},
		"to a unit not found":    {link, "not-found", false},
		"no link":                {with(func(f *facts.File) { f.Of, f.Role = "", facts.RoleDropIn }), "loaded", false},
	} {
		u := Unit{
			Loaded:  systemd.Unit{LoadState: tc.loadState},
			Files:   []File{{File: tc.file}, {File: tc.file}},
			Manager: &Manager{Loaded: map[string]bool{"x.target": true, "": true}},
		}
		want := []string{}
		if tc.want {
			want = []string{"x.target"}
		}
		if got := u.unreadLinks(); !slices.Equal(got, want) || got == nil {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
