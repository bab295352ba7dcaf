package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOwnUnits: units that the user declares, once each; not Home Manager's, not masks, not
// the audit's own, and nothing that is no unit.
func TestOwnUnits(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"web.service", "backup.timer", "README", "web.service~", "stackpolicy-audit.timer", "a\nb.service"} {
		write(filepath.Join(first, name))
	}
	write(filepath.Join(second, "web.service"))
	write(filepath.Join(second, "db.service"))
	for name, target := range map[string]string{
		"stowed.service": "../dotfiles/stowed.service", "declared.service": "/nix/store/x/declared.service", "masked.service": os.DevNull,
	} {
		if err := os.Symlink(target, filepath.Join(first, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(first, "folder.service"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{"backup.timer", "db.service", "stowed.service", "web.service"}
	if d := cmp.Diff(want, ownUnits(first, second, filepath.Join(first, "none"))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := ownUnits(filepath.Join(first, "none")); len(got) > 0 {
		t.Errorf("of a folder that does not exist: %q", got)
	}
}

// TestListsAreBounded: a folder with very many units does not fill the screen.
func TestListsAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFound + 10 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("u%04d.service", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := ownUnits(dir); len(got) != maxFound || got[0] != "u0000.service" {
		t.Errorf("got %d units", len(got))
	}
}

func TestPackagedIn(t *testing.T) {
	empty, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := os.WriteFile(filepath.Join(dir, "stackpolicy-audit.service"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := packagedIn([]string{empty, first, second}); got != first {
		t.Errorf("got %q, want the first folder that has it", got)
	}
	if got := packagedIn([]string{empty, filepath.Join(empty, "none")}); got != "" {
		t.Errorf("got %q, want none", got)
	}
}

// TestNotes: "podman does not answer" and "podman has no projects" are two different results.
func TestNotes(t *testing.T) {
	cases := map[string]struct {
		found found
		want  []string
	}{
		"nothing": {found{}, []string{"No unit of yours was found. Name the units to audit under units.", "Podman is not installed."}},
		"units and a project": {
			found{units: []string{"a.service", "b.timer"}, podman: true, projects: []project{{name: "web"}}},
			[]string{"Units of yours: a.service, b.timer", "Compose project: web. Its unit was not found, so it is only a comment in the configuration."},
		},
		"podman without projects": {found{units: []string{"a.service"}, podman: true}, []string{"Units of yours: a.service", "None of podman's containers belongs to a compose project."}},
		"podman is silent": {
			found{units: []string{"a.service"}, podman: true, silence: errors.New("no answer within 5s")},
			[]string{"Units of yours: a.service", "Podman does not answer, so its compose projects are unknown: no answer within 5s"},
		},
		"from a package": {
			found{units: []string{"a.service"}, packagedIn: "/usr/lib/systemd/user"},
			[]string{"The units are installed in /usr/lib/systemd/user.", "Units of yours: a.service", "Podman is not installed."},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, c.found.notes()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestPathsOfPrograms: a path that a unit would read otherwise is refused.
func TestPathsOfPrograms(t *testing.T) {
	for path, plain := range map[string]bool{
		"/usr/bin/stackpolicy": true, "%h/.local/bin/stackpolicy": true, "/nix/store/9x1j-stackpolicy-0.1.0/bin/stackpolicy": true,
		"stackpolicy": false, "./stackpolicy": false, "/opt/my tools/stackpolicy": false, "/opt/$HOME/x": false, "/opt/%u/x": false,
		"%h": false, "%t/x": false, "/opt/a\nExecStart=/bin/sh": false, `/opt/a\x20b`: false, "/opt/'x'": false, "": false,
	} {
		texts, err := unitTexts(path)
		if (err == nil) != plain {
			t.Errorf("%q: %v, want it to be accepted: %t", path, err, plain)
		}
		if err != nil && !strings.Contains(err.Error(), "--program") {
			t.Errorf("%q: it does not say what to do: %v", path, err)
		}
		if plain && !strings.Contains(texts["stackpolicy-audit.service"], "\nExecStart="+path+" eval --queue-alerts\n") {
			t.Errorf("%q is not in the unit", path)
		}
	}
	texts, err := unitTexts("/usr/bin/stackpolicy")
	if err != nil || len(texts) < 8 || slices.Contains([]string{texts["stackpolicy-audit.timer"], texts["stackpolicy-watch.service"], texts["stackpolicy-report.service"]}, "") {
		t.Errorf("%d units, %v", len(texts), err)
	}
}
