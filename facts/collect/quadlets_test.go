package collect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman/quadlet"
	"stackpolicy/internal/systemd"
)

// checker is a generator that refuses the files with these names.
type checker struct {
	refuses map[string]string
	err     error
	asked   *[]string
}

func (c checker) Refusals(_ context.Context, _ Environment, _ string, sources []string) (map[string]quadlet.Refusal, error) {
	*c.asked = sources
	refused := map[string]quadlet.Refusal{}
	for _, path := range sources {
		if reason := c.refuses[filepath.Base(path)]; reason != "" {
			refused[path] = quadlet.Refusal{Cause: path, Reason: reason}
		}
	}
	return refused, c.err
}

// quadletScene is an account with quadlets, of which the configuration manages web and the
// template job.
func quadletScene(t *testing.T, sources ...string) (Environment, *fakeManager, checker) {
	t.Helper()
	env := testEnvironment(t)
	env.Root = filepath.Join(env.Home, "machine")
	env.Config = config.Config{Units: []string{"web*.service", "job@.service"}}
	executable(t, filepath.Join(env.Root, "usr/lib/systemd/user-generators/podman-user-generator"))
	for _, name := range sources {
		rewrite(t, filepath.Join(env.QuadletDir(), name))
	}
	if err := os.MkdirAll(env.UnitDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	c := checker{asked: new([]string), refuses: map[string]string{}}
	env.Quadlets = c
	return env, &fakeManager{units: map[string]systemd.Unit{}}, c
}

func unitOf(t *testing.T, doc *facts.Document, name string) facts.Unit {
	t.Helper()
	for _, u := range doc.Units {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("the document has no %s: %s", name, text(t, doc))
	return facts.Unit{}
}

// A quadlet that is refused has no unit, yet the unit that it should become is managed.
func TestARefusedQuadlet(t *testing.T) {
	env, m, c := quadletScene(t, "web.container", "sub/web-db.container", "job@.container", "other.container", "notes.txt")
	c.refuses["web.container"] = "unsupported key 'X'"
	doc := collect(t.Context(), env, m.survey)
	path := filepath.Join(env.QuadletDir(), "web.container")
	web := unitOf(t, doc, "web.service")
	if d := cmp.Diff([]facts.QuadletError{{Path: path, Cause: path, Message: "unsupported key 'X'"}}, web.QuadletErrors); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if !web.IsManaged() || !web.Quadlet || len(web.Files) != 1 || web.Files[0].Path != path || web.Files[0].State != facts.StateDeclared {
		t.Errorf("got %s", text(t, web))
	}
	for _, name := range []string{"web-db.service", "job@.service"} {
		if u := unitOf(t, doc, name); u.QuadletErrors != nil || !u.Quadlet || !u.IsManaged() {
			t.Errorf("got %s", text(t, u))
		}
	}
	if len(doc.Units) != 3 || len(*c.asked) != 3 {
		t.Errorf("%d units, asked for %q", len(doc.Units), *c.asked)
	}
}

// A reload would drop the unit of a quadlet that was edited and is now refused.
func TestAReloadDropsARefusedQuadlet(t *testing.T) {
	env, m, c := quadletScene(t, "web.container")
	path := filepath.Join(env.QuadletDir(), "web.container")
	m.units["web.service"] = systemd.Unit{
		ID: "web.service", LoadState: "loaded", ActiveState: "active", SourcePath: path,
		FragmentPath: filepath.Join(env.RuntimeDir, "systemd/generator/web.service"),
	}
	m.listed = []systemd.Listed{{Name: "web.service", LoadState: "loaded", ActiveState: "active"}}
	if r := unitOf(t, collect(t.Context(), env, m.survey), "web.service").Reload; len(r.DropsDeclared) != 0 {
		t.Errorf("accepted: a reload drops %q", r.DropsDeclared)
	}
	c.refuses["web.container"] = "unsupported key 'X'"
	if r := unitOf(t, collect(t.Context(), env, m.survey), "web.service").Reload; !cmp.Equal(r.DropsDeclared, []string{path}) {
		t.Errorf("refused: a reload drops %q", r.DropsDeclared)
	}
}

// Without managed quadlets nothing is asked. Without a generator, units that are not there
// cannot come; units that are loaded have one somewhere.
func TestQuadletsWithoutAGenerator(t *testing.T) {
	env, m, c := quadletScene(t, "other.container")
	if doc := collect(t.Context(), env, m.survey); !doc.Collectors["quadlets"].OK || *c.asked != nil {
		t.Errorf("nothing is managed: %+v, asked for %q", doc.Collectors["quadlets"], *c.asked)
	}
	env, m, c = quadletScene(t, "web.container", "web-db.container")
	if err := os.RemoveAll(filepath.Join(env.Root, "usr")); err != nil {
		t.Fatal(err)
	}
	m.units["web.service"] = systemd.Unit{ID: "web.service", LoadState: "not-found"}
	m.units["web-db.service"] = systemd.Unit{ID: "web-db.service", LoadState: "loaded"}
	doc := collect(t.Context(), env, m.survey)
	web := unitOf(t, doc, "web.service")
	if len(web.QuadletErrors) != 1 || web.QuadletErrors[0].Cause != "" || !strings.Contains(web.QuadletErrors[0].Message, "no podman-user-generator") {
		t.Errorf("got %+v", web.QuadletErrors)
	}
	if db := unitOf(t, doc, "web-db.service"); db.QuadletErrors != nil || *c.asked != nil {
		t.Errorf("of a loaded unit: %+v, asked for %q", db.QuadletErrors, *c.asked)
	}
}

// A generator that does not answer is a gap, and so is one that others can change.
func TestQuadletsThatCannotBeChecked(t *testing.T) {
	env, m, c := quadletScene(t, "web.container")
	c.err = errors.New("denied")
	env.Quadlets = c
	doc := collect(t.Context(), env, m.survey)
	if got := doc.Collectors["quadlets"]; got.OK || got.Error != "denied" || !doc.Collectors["files"].OK {
		t.Errorf("got %+v, files %+v", got, doc.Collectors["files"])
	}
	program := filepath.Join(env.Root, "usr/lib/systemd/user-generators/podman-user-generator")
	if err := os.Chmod(program, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := collect(t.Context(), env, m.survey).Collectors["quadlets"]; got.OK || !strings.Contains(got.Error, "others than root can change") {
		t.Errorf("of a generator that others can change: %+v", got)
	}
	silent := make(chan answer[refusals])
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := collectQuadlets(ctx, Environment{}, silent, nil, loadedUnits{}); err == nil || !strings.Contains(err.Error(), "did not answer within 10s") {
		t.Errorf("got %v", err)
	}
}

// Two quadlets of one unit: the one that is loaded replaces the other; without any, the last.
func TestReplacedQuadlets(t *testing.T) {
	h := newHome(t)
	a, b := filepath.Join(h.path, "web.container"), filepath.Join(h.path, "web.kube")
	gone, alone := filepath.Join(h.path, "web.pod"), filepath.Join(h.path, "db.container")
	for _, path := range []string{a, b, alone} {
		rewrite(t, path)
	}
	quadlets := map[string]string{a: "web.service", b: "web.service", gone: "web.service", alone: "db.service"}
	for name, c := range map[string]struct {
		loaded  string
		refused string
		want    quadletsFound
	}{
		"not loaded":            {"", "", quadletsFound{"web.service": {{Path: a, Cause: b, Message: "both become web.service"}}}},
		"the first is loaded":   {a, "", quadletsFound{"web.service": {{Path: b, Cause: a, Message: "both become web.service"}}}},
		"from elsewhere":        {"/elsewhere", "", quadletsFound{"web.service": {{Path: a, Cause: b, Message: "both become web.service"}}}},
		"the other is refused":  {"", b, quadletsFound{}},
		"the loaded is refused": {a, a, quadletsFound{}},
	} {
		f := quadletsFound{}
		f.addReplaced(quadlets, map[string]quadlet.Refusal{c.refused: {}}, loadedUnits{loaded: map[string]systemd.Unit{"web.service": {SourcePath: c.loaded}}})
		if d := cmp.Diff(c.want, f); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// TestUnitsThatReadWhatIsGenerated: a unit of quadlet-nix has the generated one as a drop-in.
func TestUnitsThatReadWhatIsGenerated(t *testing.T) {
	dir := t.TempDir()
	e := Environment{RuntimeDir: dir}
	at := func(names ...string) string {
		path := filepath.Join(append([]string{dir}, names...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	generated, other := at("systemd", "generator", "web.service"), at("home", "web.service")
	rewrite(t, generated)
	rewrite(t, other)
	linked := func(name, target string) string {
		path := at("home", "web.service.d", name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		dropIn string
		want   bool
	}{
		"a link to it":           {linked("a.conf", generated), true},
		"a link to another file": {linked("b.conf", other), false},
		"a link to what is gone": {linked("c.conf", generated+"x"), false},
		"a file":                 {other, false},
		"a link to the folder":   {linked("d.conf", filepath.Dir(generated)), false},
	} {
		if got := e.readsGenerated(systemd.Unit{DropInPaths: []string{c.dropIn}}, "web.service"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if e.readsGenerated(systemd.Unit{DropInPaths: []string{linked("e.conf", generated)}}, "shop.service") {
		t.Error("another unit's is taken for its own")
	}
}
