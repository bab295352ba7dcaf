package collect

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/lab/generation"
)

// home is an account's home, in which generations are activated as Home Manager does.
type home struct {
	t           *testing.T
	path, store string
}

const webUnit = ".config/systemd/user/web.service"

func newHome(t *testing.T) home {
	t.Helper()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
	dir := t.TempDir()
	h := home{t, filepath.Join(dir, "home"), filepath.Join(dir, "store")}
	for _, folder := range []string{h.path, h.store} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // folders of a store are read-only
		_ = filepath.WalkDir(h.store, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = os.Chmod(path, 0o755)
			}
			return nil
		})
	})
	return h
}

// build builds a generation with a unit of the given text, a wants link, and a quadlet.
func (h home) build(text string) generation.Built {
	h.t.Helper()
	built, err := generation.Generation{
		Files: map[string]string{webUnit: text, ".config/containers/systemd/data.volume": "[Volume]\n"},
		Links: map[string]string{".config/systemd/user/default.target.wants/web.service": "../web.service"},
	}.Build(h.store)
	if err != nil {
		h.t.Fatal(err)
	}
	return built
}

func (h home) options() generation.Activation {
	return generation.Activation{UID: os.Getuid(), GID: os.Getgid()}
}

func (h home) do(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// collect runs the collector of Home Manager, a time after now.
func (h home) collect(after time.Duration) declaration {
	h.t.Helper()
	d, err := collectHomeManager(h.t.Context(), Environment{
		Name: "no-such-account", Home: h.path, ConfigHome: filepath.Join(h.path, ".config"),
		StateHome: filepath.Join(h.path, ".local/state"), Now: func() time.Time { return time.Now().Add(after) },
	})
	h.do(err)
	return d
}

func TestWithoutHomeManager(t *testing.T) {
	d := newHome(t).collect(0)
	want := &facts.Declared{Activation: facts.Activation{State: "none", Ahead: []string{}}, Patterns: []facts.Pattern{}, Backups: []facts.Backup{}}
	if diff := cmp.Diff(want, d.section); diff != "" || d.generation != nil || len(d.files) != 0 {
		t.Errorf("declared %v, -want +got\n%s", d.files, diff)
	}
}

func TestDeclaredByHomeManager(t *testing.T) {
	h := newHome(t)
	built := h.build("[Service]\n")
	h.do(built.Activate(h.path, h.options()))
	d := h.collect(0)
	want := &facts.Declared{
		Source: "home-manager", Generation: built.Path, FilesDir: built.HomeFiles,
		UnitDir:    filepath.Join(built.HomeFiles, ".config/systemd/user"),
		Activation: facts.Activation{State: "current", Ahead: []string{}}, Patterns: []facts.Pattern{}, Backups: []facts.Backup{},
	}
	if diff := cmp.Diff(want, d.section); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	paths := []string{".config/containers/systemd/data.volume", ".config/systemd/user/default.target.wants/web.service", webUnit}
	for i, p := range paths {
		paths[i] = filepath.Join(h.path, p)
		if got, want := d.files[paths[i]], filepath.Join(built.HomeFiles, p); got != want {
			t.Errorf("%s: declared as %q, want %q", p, got, want)
		}
	}
	if got := slices.Sorted(maps.Keys(d.files)); !slices.Equal(got, paths) {
		t.Errorf("declared %q, want %q", got, paths)
	}
	if diff := cmp.Diff(map[string]string{paths[0]: "data-volume.service"}, d.quadlets); diff != "" {
		t.Errorf("quadlets -want +got\n%s", diff)
	}
}

// TestAnActivationThatWasCutOff: at first it may still be running, later it is known to be
// half-finished. Links of the new generation are ahead of current-home.
func TestAnActivationThatWasCutOff(t *testing.T) {
	h := newHome(t)
	first := h.build("[Service]\nType=oneshot\n")
	h.do(first.Activate(h.path, h.options()))
	h.do(h.build("[Service]\nType=exec\n").ActivateHalf(h.path, h.options()))
	for after, want := range map[time.Duration]string{0: "running", activationLimit + time.Minute: "half-finished"} {
		d := h.collect(after).section
		if d.Activation.State != want || d.Activation.Since == nil || d.Generation != first.Path {
			t.Errorf("after %s: %+v of %s, want %s", after, d.Activation, d.Generation, want)
		}
		if !slices.Contains(d.Activation.Ahead, filepath.Join(h.path, webUnit)) {
			t.Errorf("after %s: ahead are %q", after, d.Activation.Ahead)
		}
	}
}

// TestBackups: without the activation's service it is not certain that a file is a backup.
func TestBackups(t *testing.T) {
	h := newHome(t)
	h.do(h.build("[Service]\n").Activate(h.path, h.options()))
	unit := filepath.Join(h.path, webUnit)
	h.do(os.WriteFile(unit+".bak", []byte("old"), 0o600))
	h.do(os.WriteFile(filepath.Join(filepath.Dir(unit), "mine.service.bak"), []byte("of no declared file"), 0o600))
	want := []facts.Backup{{Path: unit + ".bak", Of: unit}}
	if diff := cmp.Diff(want, h.collect(0).section.Backups); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestAHomeThatCannotBeRead is a gap, not a home without Home Manager.
func TestAHomeThatCannotBeRead(t *testing.T) {
	h := newHome(t)
	h.do(os.MkdirAll(filepath.Join(h.path, ".local/state/home-manager/gcroots"), 0o755))
	h.do(os.Symlink("/nix/store/gone", filepath.Join(h.path, ".local/state/home-manager/gcroots/current-home")))
	env := Environment{Name: "no-such-account", Home: h.path, StateHome: filepath.Join(h.path, ".local/state"), Now: time.Now}
	if _, err := collectHomeManager(t.Context(), env); err == nil {
		t.Error("a dangling current-home is no error")
	}
}

// TestNameless: files that are meant as units, and whose names systemd refuses.
func TestNameless(t *testing.T) {
	h := newHome(t)
	e := Environment{Home: h.path, ConfigHome: filepath.Join(h.path, ".config"), Config: config.Config{Units: []string{"my*"}}}
	if err := os.MkdirAll(e.UnitDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	declared := map[string]string{}
	for _, name := range []string{"your app.service", "your.service", "your app.service.d/a.conf", "notes to read"} {
		declared[filepath.Join(e.UnitDir(), name)] = "/s"
	}
	for _, name := range []string{"my app.service", "my.service", "other app.service", "my notes", "your app.service"} {
		rewrite(t, filepath.Join(e.UnitDir(), name))
	}
	got, err := nameless(e, declared)
	want := []string{filepath.Join(e.UnitDir(), "my app.service"), filepath.Join(e.UnitDir(), "your app.service")}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
}

// TestNamelessQuadlet: podman makes a unit with a blank in its name, which systemd ignores. The
// manager is not asked for it: it refuses the question, and then would seem not to answer.
func TestNamelessQuadlet(t *testing.T) {
	h := newHome(t)
	env := Environment{
		Name: "no-such-account", Home: h.path, ConfigHome: filepath.Join(h.path, ".config"), StateHome: filepath.Join(h.path, ".local/state"),
		Config: config.Config{Units: []string{"*"}}, Now: time.Now,
	}
	for _, name := range []string{"my cache.container", "cache.container", "named.container"} {
		rewrite(t, filepath.Join(env.QuadletDir(), name))
	}
	if err := os.WriteFile(filepath.Join(env.QuadletDir(), "named.container"), []byte("[Container]\nServiceName=a b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := collectHomeManager(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(env.QuadletDir(), "my cache.container"), filepath.Join(env.QuadletDir(), "named.container")}
	if diff := cmp.Diff(want, d.section.Nameless); diff != "" || len(d.quadlets) != 1 {
		t.Errorf("quadlets %v; nameless -want +got\n%s", d.quadlets, diff)
	}
}
