package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/facts/blame"
)

func blamed() Blamed {
	const own, etc = "/home/alice/.config/systemd/user/", "/etc/systemd/user/"
	return Blamed{Asked: "web.service", Options: Options{Width: 80}, Blame: blame.Blame{
		Schema: blame.Schema, Unit: "web.service", ManagedBy: facts.ByHomeManager, LoadState: "loaded",
		Files: []facts.File{
			{Path: own + "web.service", Role: facts.RoleFragment, State: facts.StateDeclared, Effective: true, Loaded: true},
			{Path: etc + "web.service", Role: facts.RoleFragment, State: facts.StateUndeclared},
			{Path: own + "web.service.d/local.conf", Role: facts.RoleDropIn, State: facts.StateUndeclared, Effective: true},
			{Path: own + "web.service.d/old.conf", Role: facts.RoleDropIn, State: facts.StateUndeclared, Kind: "missing", Loaded: true},
		},
		Settings: []blame.Setting{
			{Section: "Unit", Key: "Description", Value: "Web", File: own + "web.service", Line: 2, Declared: true, Loaded: true},
			{Section: "Service", Key: "ExecStart", File: own + "web.service.d/local.conf", Line: 2,
				Overrides: []blame.Override{{Value: "/usr/bin/stackctl apply web", File: own + "web.service", Line: 11}}},
			{Section: "Service", Key: "ExecStart", Value: "/usr/bin/podman-compose --file /srv/stacks/web/compose.yaml up --detach --remove-orphans",
				File: own + "web.service.d/local.conf", Line: 3},
			{Section: "Service", Key: "TimeoutSec", Value: "5", File: own + "web.service", Line: 14, Declared: true, Loaded: true,
				Overrides: []blame.Override{{Key: "TimeoutStopSec", Value: "9", File: own + "web.service", Line: 13}}},
		},
		Ignored: []blame.Ignored{{File: own + "web.service.d/local.conf", Line: 4, Reason: "systemd ignores it: this unit has no section [Servcie]"}},
	}}
}

func TestBlame(t *testing.T) {
	var out bytes.Buffer
	if err := writeBlame(&out, blamed()); err != nil {
		t.Fatal(err)
	}
	golden(t, "blame_80.txt", out.Bytes())
}

// TestBlameHead: what the first lines say of units that are not simply loaded.
func TestBlameHead(t *testing.T) {
	for want, change := range map[string]func(*Blamed){
		"\n  www.service is an alias of it\n":          func(b *Blamed) { b.Asked = "www.service" },
		"\n  generated from /q/web.container\n":        func(b *Blamed) { b.Source = "/q/web.container" },
		"\n  the manager says: bad-setting\n":          func(b *Blamed) { b.LoadState = "bad-setting" },
		"\n  masked: none of its settings counts\n":    func(b *Blamed) { b.LoadState, b.Masked, b.Settings = "masked", true, nil },
		"\nNo file of it has a setting that counts.\n": func(b *Blamed) { b.Settings = nil },
		"web.service  not managed\n":                   func(b *Blamed) { b.ManagedBy = "" },
		"\n    declared; used by each instance\n":      func(b *Blamed) { b.LoadState, b.Files[0].Loaded = "", false },
		"\n    a copy of what is declared; loaded, and may have changed since\n": func(b *Blamed) {
			b.Files[0].State, b.Files[0].ChangedAfterLoad = facts.StateIdentical, true
		},
	} {
		b := blamed()
		change(&b)
		var out bytes.Buffer
		if err := writeBlame(&out, b); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("no %q, %v, in\n%s", want, err, out.String())
		}
	}
}

// TestBlameMarks: of a unit that nothing manages, and of a template, a mark says only what is odd.
func TestBlameMarks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Blamed)
		marks  int
	}{
		"managed":             {func(*Blamed) {}, 2},
		"not managed, loaded": {func(b *Blamed) { b.ManagedBy, b.Settings[1].Loaded = "", true }, 1},
		"a template":          {func(b *Blamed) { b.LoadState, b.Settings[1].Declared = "", true }, 1},
	} {
		b := blamed()
		c.change(&b)
		var out bytes.Buffer
		if err := writeBlame(&out, b); err != nil || strings.Count(out.String(), "\n! local.conf:") != c.marks {
			t.Errorf("%s: want %d marks, %v, in\n%s", name, c.marks, err, out.String())
		}
	}
}

func TestBlameIsHarmless(t *testing.T) {
	for _, s := range nasty {
		b := blamed()
		b.Unit, b.Source, b.LoadState, b.Asked = s, s, s, s+s
		b.Files[0].Path, b.Files[0].State, b.Ignored[0].Reason = s, s, s
		b.Settings[0] = blame.Setting{Section: s, Key: s, Value: s, File: s, Overrides: []blame.Override{{Key: s, Value: s, File: s}}}
		var out bytes.Buffer
		if err := writeBlame(&out, b); err != nil {
			t.Fatal(err)
		}
		harmless(t, out.Bytes(), 1<<20) // values are not wrapped
	}
}

func TestShortNames(t *testing.T) {
	files := []string{"/a/x/1.conf", "/b/x/1.conf", "/b/y/1.conf", "/b/z", "", "z"}
	got := shortNames(files)
	for path, want := range map[string]string{"/a/x/1.conf": "a/x/1.conf", "/b/x/1.conf": "b/x/1.conf", "/b/y/1.conf": "y/1.conf", "/b/z": "b/z", "z": "z"} {
		if got[path] != want {
			t.Errorf("%q: %q, want %q", path, got[path], want)
		}
	}
}

func TestBlameJSON(t *testing.T) {
	var out bytes.Buffer
	if err := BlameFormats()[1].Write(&out, blamed()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema   string
		Settings []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Schema != "stackpolicy.blame/v1" || len(got.Settings) != 4 {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, key := range []string{"section", "key", "value", "file", "line", "declared", "loaded", "overrides"} {
		if _, ok := got.Settings[0][key]; !ok {
			t.Errorf("a setting has no %s", key)
		}
	}
}
