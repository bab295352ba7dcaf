package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/notify"
)

func TestRead(t *testing.T) {
	const whole = `
units: ["homelab-*.service"]
mode: enforce
policies: /etc/rules
stacks:
  web:
    compose: [/srv/compose.yaml]
    env_files: [/srv/web.env, {path: /srv/more.env, mode: "0640", owner: root}]
    secrets: [{path: /srv/token, mode: "0600"}]
    verify: {timeout: 90s, settle: 7s, healthy: false}
    provider: [podman, compose]
    on_failure: rollback
`
	web := Stack{
		Unit: "web.service", Project: "web",
		Compose:  []string{"/srv/compose.yaml"},
		EnvFiles: []File{{Path: "/srv/web.env"}, {Path: "/srv/more.env", Mode: 0o640, Owner: "root"}},
		Secrets:  []File{{Path: "/srv/token", Mode: 0o600}},
		Apply:    Apply{Timeout: 5 * time.Minute},
		Verify:   Verify{Timeout: 90 * time.Second, Settle: 7 * time.Second, Healthy: new(false)},
		Provider: []string{"podman", "compose"}, OnFailure: Rollback,
	}
	cases := []struct {
		name, content string
		want          Config
		err           string
	}{
		{"empty file", "", Config{Mode: Observe}, ""},
		{"comment alone", "# nothing\n", Config{Mode: Observe}, ""},
		{"every key", whole, Config{
			Units: []string{"homelab-*.service"}, Mode: Enforce, Policies: "/etc/rules",
			Stacks: map[string]Stack{"web": web},
		}, ""},
		{"unknown key", "mode: observe\nunit: [a.service]\n", Config{},
			`line 2: unknown key "unit"; did you mean units? known: units, mode, policies, stacks, holds, alerts, fleet`},
		{"unknown key of a stack", "stacks:\n  web:\n    projct: x\n", Config{},
			`line 3: unknown key "projct"; did you mean project? known: unit, project, compose, env_files, secrets, registries, apply, verify, probes, provider, discard_volumes, on_failure`},
		{"unknown mode", "mode: enfroce\n", Config{}, `mode: "enfroce" is neither observe nor enforce`},
		{"pattern without suffix", "units: [web]\n", Config{},
			`units: "web" is no pattern of unit names; write one such as homelab-*.service`},
		{"pattern with an open bracket", "units: ['a[.service']\n", Config{},
			`units: "a[.service" is no pattern of unit names; write one such as homelab-*.service`},
		{"stack unit", "stacks: {web: {unit: ../x}}\n", Config{},
			`stacks.web.unit: "../x" is no unit name; write one such as web.service`},
		{"unknown key of a file", "stacks:\n  web:\n    secrets: [{pth: /x}]\n", Config{},
			`line 3: unknown key "pth"; did you mean path? known: path, mode, owner`},
		{"mode of a file", "stacks: {web: {secrets: [{path: /x, mode: rw}]}}", Config{},
			`line 1: mode "rw" is not an octal file mode; want for example "0600"`},
		{"relative path", "stacks: {web: {compose: [compose.yaml], env_files: [~bob/x, x/~/y]}}", Config{},
			`stacks.web.compose: "compose.yaml" is not an absolute path` + "\n" +
				`stacks.web.env_files: "~bob/x" is not an absolute path` + "\n" +
				`stacks.web.env_files: "x/~/y" is not an absolute path`},
		{"stack name", "stacks: {../web: {unit: web.service, project: web}}", Config{},
			"stacks.../web: the name becomes a file name; use letters, digits, and any of _ . @ -"},
		{"project name", "stacks: {Web: {}}", Config{},
			`stacks.Web.project: "Web" is no compose project; use small letters, digits, _ and -`},
		{"shared unit and project", "stacks: {a: {unit: x.service, project: p}, b: {unit: x.service, project: p}}", Config{},
			"stacks.b.unit: x.service is the unit of stack a already\nstacks.b.project: p is the project of stack a already"},
		{"apply's timeout", "stacks: {web: {apply: {timeout: -1s}}}", Config{},
			"stacks.web.apply: timeout (-1s) is in the past"},
		{"settles too long", "stacks: {web: {verify: {timeout: 5s, settle: 5s}}}", Config{},
			"stacks.web.verify: settle (5s) must be shorter than timeout (5s)"},
		{"unknown end of an apply", "stacks: {web: {on_failure: undo}}", Config{}, `stacks.web.on_failure: "undo" is neither keep nor rollback`},
		{"two documents", "mode: observe\n---\nmode: enforce\n", Config{}, "more than one YAML document; keep the first"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if c.err != "" {
				if err == nil || err.Error() != path+": "+c.err {
					t.Fatalf("error\n got %v\nwant %s: %s", err, path, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestHome: ~/ is the home folder in every path.
func TestHome(t *testing.T) {
	t.Setenv("HOME", "/home/bob")
	got, err := parse([]byte(`
policies: ~/rules
stacks:
  web:
    compose: [~/web/compose.yaml, /srv/~/more.yaml]
    env_files: [~/web/env]
    secrets: [{path: ~/web/token}]
    provider: [~/bin/compose, ~/x]
alerts:
  textfile: ~/stackpolicy.prom
  alertmanager: {url: "http://127.0.0.1:9093", token: {file: ~/token}}
`))
	if err != nil {
		t.Fatal(err)
	}
	web := got.Stacks["web"]
	paths := append(append([]string{got.Policies, string(got.Alerts.Textfile), got.Alerts.Alertmanager.Token.File, web.EnvFiles[0].Path, web.Secrets[0].Path}, web.Compose...), web.Provider...)
	want := []string{
		"/home/bob/rules", "/home/bob/stackpolicy.prom", "/home/bob/token", "/home/bob/web/env", "/home/bob/web/token",
		"/home/bob/web/compose.yaml", "/srv/~/more.yaml", "/home/bob/bin/compose", "~/x",
	}
	if d := cmp.Diff(want, paths); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestReadWithoutFile(t *testing.T) {
	got, err := Read(filepath.Join(t.TempDir(), "none.yaml"))
	if err != nil || got.Mode != Observe {
		t.Errorf("got %+v, %v; want the defaults", got, err)
	}
}

func TestDefaultsOfAStack(t *testing.T) {
	got, err := parse([]byte("stacks: {web: {apply: {timeout: 1h}}, quick: {verify: {timeout: 4s}}}"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Stack{
		"web":   {Unit: "web.service", Project: "web", Apply: Apply{time.Hour}, Verify: Verify{Timeout: time.Minute, Settle: 5 * time.Second}, OnFailure: Keep},
		"quick": {Unit: "quick.service", Project: "quick", Apply: Apply{5 * time.Minute}, Verify: Verify{Timeout: 4 * time.Second, Settle: 2 * time.Second}, OnFailure: Keep},
	}
	if d := cmp.Diff(want, got.Stacks); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if !got.Stacks["web"].Verify.NeedsHealth() {
		t.Error("health is not asked for by default")
	}
}

// TestKeysAreThoseOfTheTypes: at every level an unknown key is refused, and the error lists
// the keys of the type.
func TestKeysAreThoseOfTheTypes(t *testing.T) {
	levels := []struct {
		before, after string
		of            reflect.Type
	}{
		{"", "", reflect.TypeFor[Config]()},
		{"stacks: {web: ", "}", reflect.TypeFor[Stack]()},
		{"stacks: {web: {secrets: [", "]}}", reflect.TypeFor[File]()},
		{"stacks: {web: {apply: ", "}}", reflect.TypeFor[Apply]()},
		{"stacks: {web: {verify: ", "}}", reflect.TypeFor[Verify]()},
		{"stacks: {web: {probes: [", "]}}", reflect.TypeFor[Probe]()},
		{"alerts: ", "", reflect.TypeFor[notify.Config]()},
		{"alerts: {alertmanager: {token: ", "}}", reflect.TypeFor[notify.Secret]()},
	}
	for _, level := range levels {
		t.Run(level.of.Name(), func(t *testing.T) {
			var keys []string
			for i := range level.of.NumField() {
				keys = append(keys, level.of.Field(i).Tag.Get("yaml"))
			}
			_, err := parse([]byte(level.before + "{absent: 1}" + level.after))
			if want := `line 1: unknown key "absent"; known: ` + strings.Join(keys, ", "); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
