package compose

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// modelOf loads services of one compose file.
func modelOf(t *testing.T, text string) Model {
	t.Helper()
	p, err := Load(t.Context(), project(t, map[string]string{"c.yaml": text, "file": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What a provider is given says the same as the model, in forms that it understands.
func TestProviderText(t *testing.T) {
	tests := map[string]struct{ service, want string }{
		"a volume without a name":      {"volumes: [/data]", `volumes: ["/data"]`},
		"a named volume stays":         {"volumes: [vol:/data]", `volumes: [{source: vol, target: /data, type: volume, volume: {}}]`},
		"a mode":                       {"volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 0700}}]", `volumes: [{target: /t, type: tmpfs, tmpfs: {mode: "700"}}]`},
		"hosts":                        {`extra_hosts: ["a=10.0.0.1", "b:10.0.0.2"]`, `extra_hosts: ["a:10.0.0.1", "b:10.0.0.2"]`},
		"devices":                      {`devices: ["/dev/a:/dev/b:r", /dev/c]`, `devices: ["/dev/a:/dev/b:r", "/dev/c:/dev/c:rwm"]`},
		"sysctls":                      {"sysctls: {b: 2, a: 1}", `sysctls: ["a=1", "b=2"]`},
		"scale":                        {"scale: 2", "deploy: {replicas: 2}"},
		"no health check":              {"healthcheck: {disable: true}", `healthcheck: {test: ["NONE"]}`},
		"a network by its name":        {"networks: {n: null}", `networks: ["n"]`},
		"networks by priority":         {"networks: {m: {priority: 1}, n: {priority: 5}}", `networks: ["n", "m"]`},
		"a network with another name":  {"networks: {n: {aliases: [x]}}", `networks: {n: {aliases: [x]}}`},
		"a config of a file":           {"configs: [c]", `volumes: [{read_only: true, source: DIR/file, target: /c, type: bind}]`},
		"a config with a place":        {"configs: [{source: c, target: /etc/c}]", `volumes: [{read_only: true, source: DIR/file, target: /etc/c, type: bind}]`},
		"a secret of podman":           {"secrets: [p]", `secrets: [{source: p}]`},
		"a secret with a place":        {"secrets: [{source: p, target: /etc/p}]", `secrets: [{source: p, target: /etc/p}]`},
		"what is fetched is not asked": {"pull_policy: always", ""},
		"a dollar in a value":          {`labels: {a: "x$$y"}`, `labels: {a: x$$y}`},
		"a dollar in a key":            {`labels: {"a$$b": x}`, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := modelOf(t, "services:\n  a:\n    image: i\n    "+test.service+
				"\nvolumes: {vol: {}}\nnetworks: {n: {}, m: {}}\nconfigs: {c: {file: file}}\nsecrets: {p: {external: true}}\n")
			text, err := m.ProviderText()
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Services map[string]map[string]any
				Networks map[string]any
			}
			if err := yaml.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			service := got.Services["a"]
			for _, key := range []string{"image", "command", "entrypoint"} {
				delete(service, key)
			}
			if !strings.Contains(test.service, "networks") {
				delete(service, "networks")
			}
			if strings.Contains(test.service, "labels") && test.want == "" {
				if _, there := service["labels"].(map[string]any)["a$$b"]; !there {
					// compose puts nothing into keys either
					t.Errorf("got %s", text)
				}
				return
			}
			var want map[string]any
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(test.want, "DIR", m.WorkingDir)), &want); err != nil {
				t.Fatal(err)
			}
			if same(t, service) != same(t, want) {
				t.Errorf("got\n%swant\n%s", same(t, service), same(t, want))
			}
			if _, there := got.Networks["m"]; there != strings.Contains(test.service, "m:") {
				t.Errorf("a network that no service uses is in it: %s", text)
			}
		})
	}
}

func same(t *testing.T, value map[string]any) string {
	t.Helper()
	if len(value) == 0 {
		return ""
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the provider is given does not change what is compared.
func TestProviderTextLeavesTheModelAlone(t *testing.T) {
	m := modelOf(t, "services: {a: {image: i, scale: 2, pull_policy: always, healthcheck: {disable: true}, configs: [c], networks: {n: null}}}\nnetworks: {n: {}, m: {}}\nconfigs: {c: {file: file}}\n")
	before, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ProviderText(); err != nil {
		t.Fatal(err)
	}
	after, err := m.Text()
	if err != nil || string(before) != string(after) {
		t.Errorf("%v\nbefore\n%s\nafter\n%s", err, before, after)
	}
}

func TestLimits(t *testing.T) {
	tests := map[string]struct{ service, old, newer string }{
		"nothing":              {`{image: i, command: [x], environment: {A: "1"}, ports: ["80:80"], volumes: [vol:/v], networks: [n], restart: "no"}`, "", ""},
		"a limit":              {`{image: i, pids_limit: 5}`, "services.a.pids_limit", "services.a.pids_limit"},
		"a name server":        {`{image: i, dns: [10.1.1.1]}`, "services.a.dns!", ""},
		"a text as a config":   {`{image: i, configs: [t]}`, "services.a.configs!", "services.a.configs!"},
		"a file as a config":   {`{image: i, configs: [c]}`, "", ""},
		"a variable as secret": {`{image: i, secrets: [s]}`, "services.a.secrets (s)!", "services.a.secrets (s)!"},
		"the mode of a secret": {`{image: i, secrets: [{source: f, mode: 0400}]}`, "services.a.secrets (uid, gid, mode)", "services.a.secrets (uid, gid, mode)"},
		"an image as a volume": {`{image: i, volumes: [{type: image, source: i, target: /i}]}`, "services.a.volumes (type: image)!", "services.a.volumes (type: image)!"},
		"a part of a volume":   {`{image: i, volumes: [{type: volume, source: vol, target: /v, volume: {subpath: s}}]}`, "services.a.volumes (subpath)!", "services.a.volumes (subpath)!"},
		"no network":           {`{image: i, network_mode: none}`, "services.a.network_mode!", ""},
		"another name":         {`{image: i, networks: {n: {aliases: [x]}}}`, "services.a.networks (aliases, addresses)!", ""},
		"an extension":         {`{image: i, x-note: 1}`, "", ""},
		"a volume elsewhere":   {`{image: i, volumes: [remote:/v]}`, "volumes.remote.driver_opts!", ""},
		"a subnet":             {`{image: i, networks: [sub]}`, "networks.sub!", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := "services: {a: " + test.service + "}\nnetworks: {n: {}, sub: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}\nvolumes: {vol: {}}\nconfigs: {t: {content: x}, c: {file: file}}\nsecrets: {s: {environment: HOME}, f: {file: file}}\n"
			if strings.Contains(test.service, "remote") {
				text = strings.Replace(text, "volumes: {vol: {}}", "volumes: {vol: {}, remote: {driver_opts: {type: nfs}}}", 1)
			}
			m := modelOf(t, text)
			for version, want := range map[string]string{"podman-compose 1.0.3": test.old, "podman-compose 1.3.0": test.newer, "docker compose 2.29.1": ""} {
				limits, err := m.Limits(version)
				if err != nil {
					t.Fatal(err)
				}
				got := []string{}
				for _, l := range limits {
					place := l.Place
					if l.Required {
						place += "!"
					}
					got = append(got, place)
				}
				if strings.Join(got, ", ") != want {
					t.Errorf("%s: got %q, want %q", version, got, want)
				}
			}
		})
	}
}

func TestEngineLimits(t *testing.T) {
	tests := map[string]struct{ service, want string }{
		"nothing":              {`{image: i, links: [b, "b:b"], secrets: [f], volumes: [vol:/v], network_mode: none, dns: [10.1.1.1]}`, ""},
		"a link with a name":   {`{image: i, links: ["b:other"]}`, "services.a.links (aliases)"},
		"an image":             {`{image: i, volumes: [{type: image, source: i, target: /i}]}`, "services.a.volumes (type: image)"},
		"a secret of podman's": {`{image: i, secrets: [e]}`, "services.a.secrets (e)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := modelOf(t, "services: {a: "+test.service+", b: {image: i}}\nvolumes: {vol: {}}\nsecrets: {e: {external: true}, f: {file: file}}\n")
			got := []string{}
			for _, l := range m.EngineLimits() {
				got = append(got, l.Place)
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
