package collect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
)

// TestUnchanged: every file and folder that a reload reads, and none besides.
func TestUnchanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, home string)
		says   string // "" is nothing
	}{
		"nothing": {func(*testing.T, string) {}, ""},
		"another file of the home": {func(t *testing.T, home string) {
			rewrite(t, filepath.Join(home, "notes"))
		}, ""},
		"a transient unit": {func(t *testing.T, home string) {
			rewrite(t, filepath.Join(home, "run/systemd/transient/run-1.service"))
		}, ""},
		"a transient unit of that name": {func(t *testing.T, home string) {
			rewrite(t, filepath.Join(home, "run/systemd/transient/web.service"))
		}, "transient/web.service changed after"},
		"the unit's file in place":   {func(t *testing.T, home string) { rewrite(t, filepath.Join(home, "target")) }, "web.service changed after"},
		"another unit in the folder": {func(t *testing.T, home string) { rewrite(t, filepath.Join(home, ".config/systemd/user/x.service")) }, "systemd/user changed after"},
		"a drop-in": {func(t *testing.T, home string) {
			rewrite(t, filepath.Join(home, ".config/systemd/user/web.service.d/x.conf"))
		}, "changed after"},
		"a drop-in of all quadlets": {func(t *testing.T, home string) {
			rewrite(t, filepath.Join(home, ".config/containers/systemd/container.d/x.conf"))
		}, "container.d changed after"},
		"environment.d":                {func(t *testing.T, home string) { rewrite(t, filepath.Join(home, ".config/environment.d/x.conf")) }, "environment.d changed after"},
		"a file of the manager's":      {func(t *testing.T, home string) { rewrite(t, filepath.Join(home, "machine/etc/environment.d/a.conf")) }, "a.conf changed after"},
		"a link moved to another file": {func(t *testing.T, home string) { relink(t, filepath.Join(home, ".config/systemd/user/web.service")) }, "changed after"},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnvironment(t)
			env.Root = filepath.Join(env.Home, "machine")
			fragment, system := filepath.Join(env.UnitDir(), "web.service"), filepath.Join(env.Root, "etc/environment.d/a.conf")
			for _, path := range []string{filepath.Join(env.Home, "target"), system} {
				rewrite(t, path)
			}
			for _, dir := range []string{env.UnitDir() + "/web.service.d", env.Home + "/run/systemd/transient", env.ConfigHome + "/environment.d", env.QuadletDir() + "/container.d"} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(filepath.Join(env.Home, "target"), fragment); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * recheckSlack)
			doc := &facts.Document{
				CollectedAt: time.Now(), Declared: &facts.Declared{},
				Manager:      &facts.Manager{UnitPath: []string{filepath.Join(env.Home, "run/systemd/transient"), env.UnitDir()}},
				ManagerFiles: &facts.ManagerFiles{Files: []facts.ManagerFile{{Path: system}}},
				Units:        []facts.Unit{{Name: "web.service", ManagedBy: facts.ByConfig, Files: []facts.File{{Path: fragment}}}},
			}
			time.Sleep(3 * recheckSlack)
			c.change(t, env.Home)
			err := Unchanged(t.Context(), env, doc)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func rewrite(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func relink(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", path); err != nil {
		t.Fatal(err)
	}
}
