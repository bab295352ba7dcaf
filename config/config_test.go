package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	const whole = `
units: ["homelab-*.service"]
mode: enforce
policies: /etc/rules
stacks:
  web:
    compose: [/srv/compose.yaml]
    env_files: [/srv/web.env]
    secrets: [{path: /srv/token, mode: "0600"}]
    verify: {timeout: 60s, settle: 5s, healthy: true}
    provider: [podman, compose]
`
	web := Stack{
		Unit: "web.service", Project: "web",
		Compose: []string{"/srv/compose.yaml"}, EnvFiles: []string{"/srv/web.env"},
		Secrets:  []Secret{{Path: "/srv/token", Mode: "0600"}},
		Verify:   Verify{Timeout: time.Minute, Settle: 5 * time.Second, Healthy: true},
		Provider: []string{"podman", "compose"},
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
			"line 2: unknown key unit; the keys here are: units, mode, policies, stacks"},
		{"unknown key of a stack", "stacks:\n  web:\n    projct: x\n", Config{},
			"line 3: unknown key projct; the keys here are: unit, project, compose, env_files, secrets, verify, provider"},
		{"unknown mode", "mode: enfroce\n", Config{}, `mode: "enfroce" is neither observe nor enforce`},
		{"pattern without suffix", "units: [web]\n", Config{},
			`units: "web" is no pattern of unit names; write one such as homelab-*.service`},
		{"pattern with an open bracket", "units: ['a[.service']\n", Config{},
			`units: "a[.service" is no pattern of unit names; write one such as homelab-*.service`},
		{"stack unit", "stacks: {web: {unit: ../x}}\n", Config{},
			`stacks.web.unit: "../x" is no unit name; write one such as web.service`},
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

func TestReadWithoutFile(t *testing.T) {
	got, err := Read(filepath.Join(t.TempDir(), "none.yaml"))
	if err != nil || got.Mode != Observe {
		t.Errorf("got %+v, %v; want the defaults", got, err)
	}
}
