package homemanager

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// put writes files below a folder; "-> TARGET" is a link, and a target that
// starts with "/" counts from that folder.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, link := strings.CutPrefix(text, "-> "); !link {
			err = os.WriteFile(path, []byte(text), 0o644)
		} else if strings.HasPrefix(target, "/") {
			err = os.Symlink(filepath.Join(dir, target), path)
		} else {
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// host has a store with a generation of one unit.
func host(t *testing.T, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"store/g-home-manager-generation/home-files":                  "-> /store/f-home-manager-files",
		"store/f-home-manager-files/.config/systemd/user/web.service": "-> /store/u/web.service",
		"store/u/web.service":                                         "x",
	})
	put(t, dir, more)
	return dir
}

func TestCurrent(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		state string // none, error or found
	}{
		"not in use":                {nil, "none"},
		"the user's own root":       {map[string]string{"own/current-home": "-> /store/g-home-manager-generation"}, "found"},
		"an older release's root":   {map[string]string{"legacy/current-home": "-> /store/g-home-manager-generation"}, "found"},
		"through a profile":         {map[string]string{"own/current-home": "-> /profile", "profile": "-> /store/g-home-manager-generation"}, "found"},
		"own before legacy":         {map[string]string{"own/current-home": "-> /store/g-home-manager-generation", "legacy/current-home": "-> /nowhere"}, "found"},
		"dangling":                  {map[string]string{"own/current-home": "-> /nowhere"}, "error"},
		"dangling, legacy is there": {map[string]string{"own/current-home": "-> /nowhere", "legacy/current-home": "-> /store/g-home-manager-generation"}, "error"},
		"no link":                   {map[string]string{"own/current-home": "text"}, "error"},
		"no home-files":             {map[string]string{"own/current-home": "-> /store/u"}, "error"},
		"a loop":                    {map[string]string{"own/current-home": "-> /own/current-home"}, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := host(t, tc.files)
			g, err := Current([]string{dir + "/own", dir + "/legacy"})
			state := map[bool]string{true: "none", false: "found"}[g == nil]
			if err != nil {
				state = "error"
			}
			if state != tc.state {
				t.Fatalf("%s: %+v, %v; want %s", state, g, err, tc.state)
			}
			want := Generation{Path: dir + "/store/g-home-manager-generation", Files: dir + "/store/f-home-manager-files", Store: dir + "/store"}
			if g != nil && (g.Path != want.Path || g.Files != want.Files || g.Store != want.Store || g.Written.IsZero()) {
				t.Errorf("got %+v, want %+v", *g, want)
			}
		})
	}
}

func TestOwns(t *testing.T) {
	g := &Generation{Store: "/nix/store", Files: "/nix/store/b-home-manager-files"}
	for hop, want := range map[string]struct{ owns, current bool }{
		"/nix/store/b-home-manager-files/x":     {true, true},
		"/nix/store/a-home-manager-files/x":     {true, false},
		"/nix/store/b-home-manager-files":       {},
		"/nix/store/b-home-manager-files2/x":    {},
		"/nix/store/u/b-home-manager-files/x":   {},
		"/nix/store/x.service":                  {},
		"/tmp/nix/store/b-home-manager-files/x": {},
		"nix/store/b-home-manager-files/x":      {},
		"":                                      {},
	} {
		if got := g.Owns(hop); got != want.owns {
			t.Errorf("Owns(%q) = %t", hop, got)
		}
		if got := g.IsCurrent(hop); got != want.current {
			t.Errorf("IsCurrent(%q) = %t", hop, got)
		}
	}
}

func TestDeclared(t *testing.T) {
	const user = "store/f-home-manager-files/.config/systemd/user/"
	dir := host(t, map[string]string{
		user + "default.target.wants/web.service":        "-> ../web.service",
		user + "web.service.d/a.conf":                    "-> /store/u/web.service",
		user + "linked.service.d":                        "-> /store/drop-ins",
		user + "dangling.service":                        "-> /nowhere",
		"store/drop-ins/b.conf":                          "x",
		"store/drop-ins/deep":                            "-> /store/drop-ins-2",
		"store/drop-ins-2/c.conf":                        "x",
		"store/f-home-manager-files/.config/whole":       "-> /store/whole",
		"store/whole/whole.service":                      "x",
		"store/whole/whole.service.d/d.conf":             "x",
		"store/f-home-manager-files/.config/loop/itself": "-> /store/f-home-manager-files/.config/loop",
		"store/f-home-manager-files/..dots/e.service":    "x",
	})
	g := &Generation{Files: dir + "/store/f-home-manager-files"}
	for folder, want := range map[string][]string{
		"/home/.config/systemd/user": {
			"dangling.service", "default.target.wants/web.service", "linked.service.d/b.conf", "linked.service.d/deep/c.conf",
			"web.service", "web.service.d/a.conf",
		},
		"/home/.config/whole": {"whole.service", "whole.service.d/d.conf"},
		"/home/.config/loop":  {"itself/itself/itself/itself/itself"},
		"/home/.config/none":  {},
		"/home/..dots":        {"e.service"},
		"/elsewhere/user":     {},
	} {
		declared, err := g.Declared(t.Context(), "/home", folder)
		if err != nil {
			t.Error(err)
		}
		got := slices.Sorted(maps.Keys(declared))
		for i := range want {
			want[i] = folder + "/" + want[i]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", folder, got, want)
		}
		for path, target := range declared {
			if rel, _ := filepath.Rel("/home", path); target != filepath.Join(g.Files, rel) {
				t.Errorf("%s must point to %s", path, target)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Declared(ctx, "/home", "/home/.config/systemd/user"); err == nil {
		t.Error("a canceled read gave files")
	}
}

func TestAhead(t *testing.T) {
	dir := host(t, map[string]string{
		"store/old-home-manager-files/x.service":          "x",
		"store/old-home-manager-files/x.service.d/a.conf": "x",
		"home/current.service":                            "-> /store/f-home-manager-files/.config/systemd/user/web.service",
		"home/other.service":                              "-> /store/old-home-manager-files/x.service",
		"home/gone.service":                               "-> /store/gone-home-manager-files/x.service",
		"home/own.service":                                "text",
		"home/foreign.service":                            "-> /etc/passwd",
		"home/default.target.wants/other.service":         "-> /store/old-home-manager-files/x.service",
		"home/linked.service.d":                           "-> /store/old-home-manager-files/x.service.d",
		"home/everything":                                 "-> /",
	})
	if err := syscall.Mkfifo(dir+"/home/fifo.service", 0o644); err != nil {
		t.Fatal(err)
	}
	g := &Generation{Store: dir + "/store", Files: dir + "/store/f-home-manager-files", Written: time.Now().Add(-time.Minute)}
	got, err := g.Ahead(t.Context(), dir+"/home")
	want := []string{"default.target.wants/other.service", "gone.service", "linked.service.d", "other.service"}
	for i := range want {
		want[i] = dir + "/home/" + want[i]
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	g.Written = time.Now().Add(time.Minute) // an activation that came to its end
	if got, err := g.Ahead(t.Context(), dir+"/home"); err != nil || len(got) != 0 {
		t.Errorf("links made before the activation ended: %q, %v", got, err)
	}
	if got, err := g.Ahead(t.Context(), dir+"/none"); err != nil || len(got) != 0 {
		t.Errorf("no folder: %q, %v", got, err)
	}
}

func TestPending(t *testing.T) {
	dir := host(t, map[string]string{
		"home/a.service":                      "-> /store/b-home-manager-files/.config/systemd/user/a.service",
		"home/default.target.wants/a.service": "-> /store/b-home-manager-files/.config/systemd/user/a.service",
		"home/c.service":                      "-> /store/c-home-manager-files/.config/systemd/user/c.service",
		"home/foreign.service":                "-> /etc/passwd",
		"home/own.service":                    "text",
	})
	g := &Generation{Store: dir + "/store", Files: dir + "/store/f-home-manager-files"}
	for _, tc := range []struct {
		links []string
		want  string
	}{
		{nil, ""},
		{[]string{"a.service"}, "b-home-manager-files"},
		{[]string{"a.service", "default.target.wants/a.service"}, "b-home-manager-files"},
		{[]string{"a.service", "c.service"}, ""},
		{[]string{"a.service", "foreign.service"}, ""},
		{[]string{"own.service"}, ""},
		{[]string{"vanished.service"}, ""},
	} {
		var links []string
		for _, l := range tc.links {
			links = append(links, dir+"/home/"+l)
		}
		got := ""
		if p := g.Pending(links); p != nil {
			got = filepath.Base(p.Files)
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.links, got, tc.want)
		}
	}
}

func TestBegun(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		begun bool
	}{
		"none":   {map[string]string{"own/current-home": "x"}, false},
		"own":    {map[string]string{"own/new-home": "-> /nowhere"}, true},
		"legacy": {map[string]string{"legacy/new-home": "-> /nowhere"}, true},
	} {
		dir := host(t, tc.files)
		at, err := Begun([]string{dir + "/own", dir + "/legacy"})
		if err != nil || at.IsZero() == tc.begun || tc.begun && time.Since(at) > time.Minute {
			t.Errorf("%s: %s, %v", name, at, err)
		}
	}
}

func TestBackups(t *testing.T) {
	dir := host(t, map[string]string{
		"home/web.service":                 "x",
		"home/web.service.bak":             "x",
		"home/web.service.hm.bak":          "x",
		"home/web.service.d/a.conf":        "x",
		"home/web.service.d/a.conf.old":    "-> /nowhere",
		"home/web.service.wants/x.service": "x",
		"home/web.service.d.bak":           "x",
		"home/web.service.":                "x",
		"home/web.service~":                "x",
		"home/other.service.bak":           "x",
		"home/declared.service.bak":        "x",
	})
	declared := map[string]string{}
	for _, name := range []string{"web.service", "web.service.d/a.conf", "declared.service", "declared.service.bak", "none/x.service"} {
		declared[dir+"/home/"+name] = "x"
	}
	got, err := Backups(t.Context(), declared)
	want := []Backup{
		{dir + "/home/web.service.bak", dir + "/home/web.service", "bak"},
		{dir + "/home/web.service.d/a.conf.old", dir + "/home/web.service.d/a.conf", "old"},
		{dir + "/home/web.service.hm.bak", dir + "/home/web.service", "hm.bak"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

// TestIsOf: a specialisation of a generation is activated like the generation itself.
func TestIsOf(t *testing.T) {
	dir := host(t, map[string]string{
		"store/a-home-manager-generation/activate":             "x",
		"store/b-home-manager-generation/activate":             "x",
		"store/b-home-manager-generation/specialisation/quiet": "-> /store/a-home-manager-generation",
	})
	g := &Generation{Path: dir + "/store/a-home-manager-generation"}
	for name, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := g.IsOf(dir + "/store/" + name + "-home-manager-generation"); got != want {
			t.Errorf("of %s: %v, want %v", name, got, want)
		}
	}
	g.Path = dir + "/store/b-home-manager-generation"
	if g.IsOf(dir + "/store/a-home-manager-generation") {
		t.Error("it is not a specialisation of its own specialisation")
	}
}
