package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/internal/podman"
)

func container(labels ...string) podman.Container {
	c := podman.Container{Labels: map[string]string{}}
	for i := 0; i+1 < len(labels); i += 2 {
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

const (
	labelProject = "com.docker.compose.project"
	labelFiles   = "com.docker.compose.project.config_files"
	labelDir     = "com.docker.compose.project.working_dir"
	labelUnit    = "PODMAN_SYSTEMD_UNIT"
)

func TestProjects(t *testing.T) {
	cases := map[string]struct {
		containers []podman.Container
		want       []project
	}{
		"none":           {[]podman.Container{container()}, nil},
		"no name":        {[]podman.Container{container(labelProject, "", labelFiles, "/a.yaml")}, nil},
		"a bad name":     {[]podman.Container{container(labelProject, "web\nmode: enforce")}, nil},
		"an option":      {[]podman.Container{container(labelProject, "-web")}, nil},
		"relative files": {[]podman.Container{container(labelProject, "web", labelFiles, "a.yaml,/b.yaml", labelDir, "/srv/web")}, []project{{"web", "", []string{"/srv/web/a.yaml", "/b.yaml"}}}},
		"nowhere":        {[]podman.Container{container(labelProject, "web", labelFiles, "a.yaml", labelDir, "srv")}, []project{{name: "web"}}},
		"its unit":       {[]podman.Container{container(labelProject, "web", labelUnit, "site.service")}, []project{{name: "web", unit: "site.service"}}},
		"no unit of its": {[]podman.Container{container(labelProject, "web", labelUnit, "podman-compose@web.service")}, []project{{name: "web"}}},
		"a bad unit":     {[]podman.Container{container(labelProject, "web", labelUnit, "x\x1b[2J")}, []project{{name: "web"}}},
		"two containers": {
			[]podman.Container{container(labelProject, "web", labelFiles, "/a.yaml"), container(labelProject, "web", labelUnit, "w.service"), container(labelProject, "api")},
			[]project{{name: "api"}, {"web", "w.service", []string{"/a.yaml"}}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, projects(c.containers), cmp.AllowUnexported(project{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestStarterIsRead: whatever was found, the program can read the configuration, also
// when the stacks are no longer commented out.
func TestStarterIsRead(t *testing.T) {
	odd := project{"web", "a\\x2db.service", []string{"/srv/\"x\"\n#: \u2028é\\/compose.yaml"}}
	cases := map[string]struct {
		found  found
		units  []string
		stacks map[string][]string
	}{
		"nothing":        {found{}, []string{"stackpolicy-*"}, map[string][]string{"web": {"/path/to/compose.yaml"}}},
		"packaged":       {found{packagedIn: "/usr"}, []string{}, map[string][]string{"web": {"/path/to/compose.yaml"}}},
		"units":          {found{units: []string{`a\x2db.service`, "web@.service"}}, []string{"stackpolicy-*", `a\x2db.service`, "web@.service"}, map[string][]string{"web": {"/path/to/compose.yaml"}}},
		"an odd project": {found{projects: []project{odd}}, []string{"stackpolicy-*"}, map[string][]string{"web": odd.compose}},
		"a number":       {found{projects: []project{{name: "1"}}}, []string{"stackpolicy-*"}, map[string][]string{"1": {}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := starter(c.found)
			if got := read(t, text); !slices.Equal(got.Units, c.units) || len(got.Stacks) > 0 || got.Mode != config.Observe {
				t.Errorf("read as %+v\n%s", got, text)
			}
			_, before, _ := strings.Cut(text, "\n#stacks:")
			stacks := "stacks:" + strings.ReplaceAll(strings.Split(before, "\n\n")[0], "\n#", "\n")
			got := map[string][]string{}
			for name, s := range read(t, stacks).Stacks {
				got[name] = s.Compose
			}
			if d := cmp.Diff(c.stacks, got); d != "" {
				t.Errorf("stacks -want +got\n%s\n%s", d, stacks)
			}
		})
	}
}

func read(t *testing.T, text string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// TestWriteNewReplacesNothing, even if a file appears after the check.
func TestWriteNewReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "below", "a.service")
	if err := writeNew(path, "first"); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, "second"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second write: %v", err)
	}
	link := filepath.Join(dir, "below", "link.service")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(link, "third"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a write over a dangling link: %v", err)
	}
	text, _ := os.ReadFile(path)
	entries, _ := os.ReadDir(filepath.Dir(path))
	if string(text) != "first" || len(entries) != 2 {
		t.Errorf("the file holds %q, beside %v", text, entries)
	}
}

// TestUnitsRunTheProgram: only the path of the program changes in the units.
func TestUnitsRunTheProgram(t *testing.T) {
	shipped, err := unitTexts(shippedProgram)
	if err != nil {
		t.Fatal(err)
	}
	other, err := unitTexts("/usr/bin/stackpolicy")
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for name, text := range shipped {
		n := strings.Count(text, "ExecStart="+shippedProgram+" ")
		runs += n
		if n != strings.Count(text, shippedProgram) || n != strings.Count(other[name], "ExecStart=/usr/bin/stackpolicy ") ||
			strings.Contains(other[name], ".local/bin") {
			t.Errorf("%s:\n%s", name, other[name])
		}
	}
	if runs != 2 || len(shipped) < 7 {
		t.Errorf("%d of %d units run the program", runs, len(shipped))
	}
}

func TestPackaged(t *testing.T) {
	none, some := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(some, "stackpolicy-audit.service"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := packagedIn([]string{none, some}); got != some {
		t.Errorf("packaged in %q, want %q", got, some)
	}
	if got := packagedIn([]string{none}); got != "" {
		t.Errorf("packaged in %q", got)
	}
}
