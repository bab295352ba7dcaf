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
	"stackpolicy/facts/collect"
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
		"relative files": {[]podman.Container{container(labelProject, "web", labelFiles, "a.yaml,/b.yaml", labelDir, "/srv/web")}, []project{{name: "web", compose: []string{"/srv/web/a.yaml", "/b.yaml"}, folder: "/srv/web"}}},
		"nowhere":        {[]podman.Container{container(labelProject, "web", labelFiles, "a.yaml", labelDir, "srv")}, []project{{name: "web"}}},
		"its unit":       {[]podman.Container{container(labelProject, "web", labelUnit, "site.service")}, []project{{name: "web", unit: "site.service"}}},
		"no unit of its": {[]podman.Container{container(labelProject, "web", labelUnit, "podman-compose@web.service")}, []project{{name: "web"}}},
		"a bad unit":     {[]podman.Container{container(labelProject, "web", labelUnit, "x\x1b[2J")}, []project{{name: "web"}}},
		"two containers": {
			[]podman.Container{container(labelProject, "web", labelFiles, "/a.yaml"), container(labelProject, "web", labelUnit, "w.service"), container(labelProject, "api")},
			[]project{{name: "api"}, {name: "web", unit: "w.service", compose: []string{"/a.yaml"}}},
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
	odd := project{name: "web", unit: "a\\x2db.service", compose: []string{"/srv/\"x\"\n#: \u2028é\\/compose.yaml"}}
	owned := project{name: "api", unit: "a.service", compose: []string{"/srv/api.yaml"}, isOwned: true}
	cases := map[string]struct {
		found    found
		units    []string
		stacks   map[string][]string // that are comments
		declared []string
	}{
		"nothing":        {found{}, []string{"stackpolicy-*"}, map[string][]string{"web": {"/path/to/compose.yaml"}}, nil},
		"packaged":       {found{packagedIn: "/usr"}, []string{}, map[string][]string{"web": {"/path/to/compose.yaml"}}, nil},
		"units":          {found{units: []string{`a\x2db.service`, "web@.service"}}, []string{"stackpolicy-*", `a\x2db.service`, "web@.service"}, map[string][]string{"web": {"/path/to/compose.yaml"}}, nil},
		"an odd project": {found{projects: []project{odd}}, []string{"stackpolicy-*"}, map[string][]string{"web": odd.compose}, nil},
		"both kinds":     {found{projects: []project{odd, owned}}, []string{"stackpolicy-*"}, map[string][]string{"web": odd.compose}, []string{"api"}},
		"a number":       {found{projects: []project{{name: "1"}}}, []string{"stackpolicy-*"}, map[string][]string{"1": {}}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := starter(c.found)
			if got := read(t, text); !slices.Equal(got.Units, c.units) || !slices.Equal(sortedKeys(got.Stacks), c.declared) || got.Mode != config.Observe {
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
	if runs != 4 || len(shipped) < 8 {
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

// userSetup returns a setup of a user with the given unit files, by name.
func userSetup(t *testing.T, units map[string]string, projects ...project) *setup {
	t.Helper()
	home := t.TempDir()
	s := &setup{env: collect.Environment{Home: home, ConfigHome: filepath.Join(home, ".config")}}
	s.unitDir = s.env.UnitDir()
	for name, text := range units {
		path := filepath.Join(s.unitDir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s.found = found{units: ownUnits(s.unitDir), projects: projects}
	return s
}

// TestFindOwners checks which of the user's units counts as the unit of a project.
func TestFindOwners(t *testing.T) {
	folder := "[Service]\nWorkingDirectory=%h/web\n"
	for name, c := range map[string]struct {
		units   map[string]string
		labeled string
		want    string
	}{
		"its label":           {map[string]string{"site.service": "", "web.service": ""}, "site.service", "site.service"},
		"a label of no unit":  {map[string]string{"web.service": ""}, "gone.service", "web.service"},
		"its name":            {map[string]string{"web.service": "", "other.service": folder}, "", "web.service"},
		"its folder":          {map[string]string{"site.service": folder, "other.service": "[Service]\nWorkingDirectory=%h/web2\n"}, "", "site.service"},
		"its compose file":    {map[string]string{"site.service": "[Service]\nExecStart=podman-compose -f %h/web/compose.yaml up\n"}, "", "site.service"},
		"two with its folder": {map[string]string{"a.service": folder, "b.service": folder}, "", ""},
		"no unit":             {map[string]string{"other.service": ""}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := userSetup(t, c.units)
			s.found.projects = []project{{name: "web", unit: c.labeled, folder: filepath.Join(s.env.Home, "web")}}
			s.findOwners()
			if got := s.found.projects[0]; got.unit != c.want || got.isOwned != (c.want != "") {
				t.Errorf("got %+v, want unit %q", got, c.want)
			}
		})
	}
}

// TestPlanVerify checks which units get a verify step, and the text of the drop-in.
func TestPlanVerify(t *testing.T) {
	const head = "# \"stackpolicy init\" wrote this file. With it, a start of\n# web.service succeeds only if the stack is up and stays up.\n"
	const step = "[Service]\nExecStartPost=/bin/stackctl verify web\n"
	oneshot := "[Service]\nType=oneshot\nExecStart=podman-compose up -d\n"
	for name, c := range map[string]struct {
		units map[string]string
		want  string // text of the drop-in; "" for none
	}{
		"a oneshot":              {map[string]string{"web.service": oneshot}, head + step + "TimeoutStartSec=5min\n"},
		"its own timeout":        {map[string]string{"web.service": oneshot + "TimeoutStartSec=90\n"}, head + step},
		"a timeout in a drop-in": {map[string]string{"web.service": oneshot, "web.service.d/a.conf": "[Service]\nTimeoutStartSec=90\n"}, head + step},
		"again":                  {map[string]string{"web.service": oneshot, "web.service.d/stackpolicy.conf": step}, head + step + "TimeoutStartSec=5min\n"},
		"an ignored step":        {map[string]string{"web.service": oneshot + "ExecStartPost=-true\n"}, head + step + "TimeoutStartSec=5min\n"},
		"its own verify step":    {map[string]string{"web.service": oneshot + "ExecStartPost=stackctl verify web\n"}, ""},
		"a foreground command":   {map[string]string{"web.service": "[Service]\nExecStart=podman-compose up\n"}, ""},
		"no unit":                {map[string]string{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := userSetup(t, c.units, project{name: "web", compose: []string{"/srv/web/compose.yaml"}})
			s.findOwners()
			s.planVerify("/bin/stackctl")
			got := ""
			for _, f := range s.files {
				got += f.text
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			s.files = nil
			s.planVerify("")
			if len(s.files) > 0 || (len(s.found.unverified) > 0) != (c.want != "") {
				t.Errorf("without stackctl: files %v, named %v", s.files, s.found.unverified)
			}
		})
	}
}

// TestKeptConfiguration checks that no verify step is added for a stack that the user's own
// configuration does not declare: that step would fail.
func TestKeptConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		want   bool
	}{
		"declares it":         {"stacks: {web: {compose: [/srv/web/compose.yaml]}}\n", true},
		"with another unit":   {"stacks: {web: {unit: site.service}}\n", false},
		"declares another":    {"stacks: {api: {}}\n", false},
		"declares none":       {"mode: observe\n", false},
		"that cannot be read": {"stacks: [\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := userSetup(t, map[string]string{"web.service": ""}, project{name: "web", compose: []string{"/srv/web/compose.yaml"}})
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(c.config), 0o644); err != nil {
				t.Fatal(err)
			}
			s.findOwners()
			s.found.keepDeclared(path)
			if got := s.found.projects[0].isStack(); got != c.want {
				t.Errorf("is a stack: %t, want %t", got, c.want)
			}
		})
	}
}

// TestPlanPodman: podman's service gets its drop-in where podman is installed, and only there.
func TestPlanPodman(t *testing.T) {
	for name, c := range map[string]struct {
		found found
		want  int
	}{
		"installed": {found{podman: true}, 1},
		"not there": {found{}, 0},
	} {
		s := &setup{unitDir: "/u", found: c.found}
		s.planPodman()
		if len(s.files) != c.want {
			t.Errorf("%s: %d files, want %d", name, len(s.files), c.want)
		}
		for _, f := range s.files {
			if f.path != "/u/podman.service.d/10-stackpolicy.conf" || !strings.Contains(f.text, "\n[Service]\nEnvironment=LOGGING=--log-level=warn\n") || !f.own {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
