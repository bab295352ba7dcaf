package compose

import (
	"slices"
	"strings"
	"testing"
)

func TestNeeds(t *testing.T) {
	o := project(t, map[string]string{"c.yaml": `services:
  a:
    image: i
    stop_grace_period: 40s
    ports: ["127.0.0.1:8080:80", "53:53/udp", "9000-9001:9000-9001", "80"]
    volumes: ["/srv/x:/x", "data:/y", "/z"]
    networks: [front]
  b: {build: {context: ., args: {B: 2, A: 1}, secrets: [s]}}
networks: {front: {external: true, name: proxy}}
volumes: {data: {external: true}}
secrets: {s: {file: s}}
`})
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.Services[0], p.Services[1]
	ports := []string{}
	for _, port := range a.Ports {
		ports = append(ports, port.String())
	}
	got := strings.Join([]string{
		strings.Join(ports, " "), strings.Join(a.Binds, " "), strings.Join(a.Targets, " "), a.Grace.String(),
		strings.Join(p.Networks, " "), strings.Join(p.Volumes, " "),
	}, "; ")
	if want := "127.0.0.1:8080/tcp :53/udp :9000/tcp :9001/tcp; /srv/x; /x /y; 40s; proxy; data"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if b.Image != "localhost/t_b" || !slices.Equal(b.Build.Arguments, []string{"A=1", "B=2"}) || !slices.Equal(b.Build.Unknown, []string{"secrets"}) {
		t.Errorf("build: %+v, image %s", b.Build, b.Image)
	}
}

// What a provider is given names no other file, and no variable.
func TestModel(t *testing.T) {
	o := project(t, map[string]string{
		"c.yaml": "services: {a: {image: i, env_file: e, environment: {TZ: \"${TZ:-UTC}\", P: \"a$$b\"}, labels: {k: v}}}\n", "e": "FROM=file\n",
	})
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Model()
	if err != nil {
		t.Fatal(err)
	}
	m.Label("a", "own", "x")
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TZ: UTC", "P: a$$b", "FROM: file", "own: x", "k: v"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "env_file") {
		t.Errorf("a file is named in\n%s", text)
	}
	if _, has := p.Services[0].Labels["own"]; has {
		t.Error("the project's own labels are changed")
	}
}
