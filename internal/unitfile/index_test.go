package unitfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestIndexBounds(t *testing.T) {
	dir := t.TempDir()
	if x, err := ReadIndex(t.Context(), []string{dir + "/none", dir, dir}); err != nil || len(x.Names()) != 0 {
		t.Errorf("an empty path: %v, %v", x, err)
	}
	canceled, cancel := contextCanceled(t)
	cancel()
	if _, err := ReadIndex(canceled, []string{dir}); err == nil {
		t.Error("a canceled read gave an index")
	}
}

func TestIndexLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"default.target.wants/web.service": "-> ../web.service",
		"default.target.wants/not-a-unit":  "-> ../web.service",
		"web.service.upholds/db.service":   "-> /nowhere",
		"elsewhere/db.service":             "-> /nowhere",
		"linked.target.requires":           "-> elsewhere",
	})
	x, err := ReadIndex(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []Link{{dir + "/default.target.wants/web.service", "default.target", "wants"}}
	if got := x.Links("web.service"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want = []Link{{dir + "/web.service.upholds/db.service", "web.service", "upholds"}}
	if got := x.Links("db.service"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: a relatively linked folder is not read", got, want)
	}
}

// A path of links is resolved once: it costs a system call for each folder in it.
func TestIndexResolvesOnce(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"web.service.d/a.conf":             "[Unit]",
		"web.service.d/b.conf":             "[Unit]",
		"db.service.d":                     "-> /nowhere",
		"default.target.wants/web.service": "-> ../web.service",
	})
	resolved := map[string]int{}
	x := newIndexer([]string{dir})
	x.resolve = func(path string) (string, error) {
		resolved[path]++
		return filepath.EvalSymlinks(path)
	}
	if _, err := x.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{dir: 1, dir + "/web.service.d": 1, dir + "/db.service.d": 1}
	if d := cmp.Diff(want, resolved); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestLinkedBy(t *testing.T) {
	high, low := t.TempDir(), t.TempDir()
	put(t, high, map[string]string{
		"web-app@.service.wants/template.service":     "-> /x",
		"web-app@one.service.wants/own.service":       "-> /x",
		"web-app@one.service.requires/req.service":    "-> /x",
		"web-app@two.service.wants/other.service":     "-> /x",
		"web-.service.wants/prefix.service":           "-> /x",
		"alias.service.wants/alias.service":           "-> /x",
		"web-app@one.service.wants/several.service":   "-> /x",
		"web-app@one.service.wants/not-a-unit":        "-> /x",
		"web-app@one.service.upholds/upheld.service":  "-> /x",
		"web-app@one.service.wants.d/nothing.service": "-> /x",
	})
	put(t, low, map[string]string{
		"service.wants/type.service":                "-> /x",
		"web-app@one.service.wants/several.service": "-> /x",
	})
	x, err := ReadIndex(t.Context(), []string{high, low})
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string][]string{
		"wants": {
			"alias.service", "own.service", "prefix.service", "several.service", "several.service", "template.service", "type.service",
		},
		"requires": {"req.service"},
		"upholds":  {"upheld.service"},
	} {
		var got []string
		for _, l := range x.LinkedBy([]string{"web-app@one.service", "alias.service"}, kind) {
			got = append(got, filepath.Base(l.Path))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
	several := slices.DeleteFunc(x.LinkedBy([]string{"web-app@one.service"}, "wants"), func(l Link) bool {
		return filepath.Base(l.Path) != "several.service"
	})
	if len(several) != 2 || filepath.Dir(filepath.Dir(several[0].Path)) != high {
		t.Errorf("the link in the folder of the highest priority is not first: %v", several)
	}
}

func TestLinksChanged(t *testing.T) {
	top := t.TempDir()
	path := []string{top + "/user", top + "/generator", top + "/generator.late", top + "/none"}
	put(t, top, map[string]string{
		"user/x.target.wants/web.service":           "-> /x",
		"user/x-y@.target.wants/web.service":        "-> /x",
		"generator/x.target.wants/web.service":      "-> /x",
		"generator.late/x.target.wants/web.service": "-> /x",
	})
	x, err := ReadIndex(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	second := func(n int64) time.Time { return time.Unix(n, 0) }
	x.changed = map[string]time.Time{
		path[0]: second(1), path[0] + "/x.target.wants": second(5), path[0] + "/x-y@.target.wants": second(7),
		path[1]: second(8), path[1] + "/x.target.wants": second(9), path[2]: second(8), path[2] + "/x.target.wants": second(9),
	}
	for name, want := range map[string]int64{"x.target": 5, "x-y@one.target": 7, "x.service": 1, "x-z.target": 1} {
		if got := x.LinksChanged([]string{name}); !got.Equal(second(want)) {
			t.Errorf("%s: %d, want %d", name, got.Unix(), want)
		}
	}
	if got := x.LinksChanged([]string{"x.service", "x.target"}); !got.Equal(second(5)) {
		t.Errorf("an alias's folder is left out: %d", got.Unix())
	}
}

func TestAliases(t *testing.T) {
	high, low, outside := t.TempDir(), t.TempDir(), t.TempDir()
	put(t, outside, map[string]string{"web.service": "[Unit]"})
	put(t, high, map[string]string{
		"web.service":  "[Unit]",
		"www.service":  "-> web.service",
		"www2.service": "-> www.service",
		"www3.service": "-> web.service",

		"pre-fix.service":                "-> web.service",
		"pre-.service.d/x.conf":          "[Unit]",
		"pulled.service":                 "-> web.service",
		"x.target.wants/pulled.service":  "-> ../pulled.service",
		"outside.service":                "-> " + outside + "/web.service",
		"outside.service.d/x.conf":       "[Unit]",
		"www.service.wants/x.service":    "-> /x",
		"www2.service.d/x.conf":          "[Unit]",
		"other.service.wants/x.service":  "-> /x",
		"gone.service.wants/x.service":   "-> /x",
		"masked.service.wants/x.service": "-> /x",
		"hidden.service.wants/x.service": "-> /x",
		"none.service.wants/x.service":   "-> /x",
		"other.service":                  "-> " + low + "/other.service",
		"gone.service":                   "-> /nowhere",
		"masked.service":                 "-> /dev/null",
		"hidden.service":                 "[Unit]",
	})
	put(t, low, map[string]string{"other.service": "[Unit]", "hidden.service": "-> other.service"})
	x, err := ReadIndex(t.Context(), []string{high, low})
	if err != nil {
		t.Fatal(err)
	}
	want := Aliases{"web.service": {"pre-fix.service", "pulled.service", "www.service", "www2.service"}}
	if d := cmp.Diff(want, x.Aliases()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for name, want := range map[string]string{"www3.service": "web.service", "web.service": "", "outside.service": "", "none.service": ""} {
		if got := x.AliasOf(name); got != want {
			t.Errorf("%s is an alias of %q, want %q", name, got, want)
		}
	}
}

// A folder that this account may not read only matters to the units that it is read for.
func TestDenied(t *testing.T) {
	if os.Getuid() == 0 { // root may read every folder
		x := &Index{denied: map[string]string{"web-.service.d": "/etc/web-.service.d", "db.service.wants": "/etc/db.service.wants"}}
		for name, want := range map[string]string{
			"web-app.service": "/etc/web-.service.d", "web.service": "", "db.service": "/etc/db.service.wants", "db.socket": "", "db.target": "",
		} {
			if got := x.Denied([]string{"other.timer", name}); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		return
	}
	dir := t.TempDir()
	put(t, dir, map[string]string{"web.service": "[Unit]", "db.service.d/a.conf": "[Unit]"})
	if err := os.Chmod(filepath.Join(dir, "db.service.d"), 0); err != nil {
		t.Fatal(err)
	}
	x, err := ReadIndex(t.Context(), []string{dir})
	if err != nil || x.Denied([]string{"web.service"}) != "" || x.Denied([]string{"db.service"}) == "" {
		t.Errorf("%v, denied %v", err, x.denied)
	}
}

// TestWaiting finds what a manager would wait for: pipes, devices and large files, but not /dev/null.
func TestWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		path, link string
		want       bool
	}{
		"a pipe":                           {path: "a.service", want: true},
		"a pipe as a drop-in":              {path: "a.service.d/x.conf", want: true},
		"a pipe in a type's folder":        {path: "target.d/x.conf", want: true},
		"a link to a device":               {path: "a.service", link: "/dev/zero", want: true},
		"a file that is too large":         {path: "large.service", want: true},
		"a drop-in that is too large":      {path: "a.service.d/large.conf", want: true},
		"a mask":                           {path: "a.service", link: "/dev/null"},
		"a link to nowhere":                {path: "a.service.d/x.conf", link: "gone"},
		"a pipe that is no unit file":      {path: "a.service.d/x.txt"},
		"a pipe in a folder of links":      {path: "a.service.wants/b.service"},
		"a pipe of a name that is no unit": {path: "notes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, c.path)
			err := os.MkdirAll(filepath.Dir(path), 0o755)
			if err == nil && c.link != "" {
				err = os.Symlink(c.link, path)
			} else if strings.Contains(path, "large") && err == nil {
				err = os.WriteFile(path, nil, 0o600)
				err = errors.Join(err, os.Truncate(path, 5<<30))
			} else if err == nil {
				err = unix.Mkfifo(path, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			index, err := ReadIndex(t.Context(), []string{dir})
			if err != nil {
				t.Fatal(err)
			}
			if got := index.Waiting(); (got == path) != c.want {
				t.Errorf("Waiting() = %q", got)
			}
		})
	}
}

// An instance has the other names of its template, and those of itself alone.
func TestAliasesOfInstances(t *testing.T) {
	a := Aliases{"web@.service": {"www@.service", "w3@a.service", "w3@b.service"}, "web@b.service": {"b.service"}, "db.service": {"sql.service"}}
	for unit, want := range map[string][]string{
		"web@.service":  {"www@.service", "w3@a.service", "w3@b.service"},
		"web@a.service": {"www@a.service", "w3@a.service"},
		"web@b.service": {"b.service", "www@b.service", "w3@b.service"},
		"web@c.service": {"www@c.service"},
		"db.service":    {"sql.service"},
		"x@a.service":   nil,
	} {
		if got := a.Of(unit); !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", unit, got, want)
		}
	}
}
