package stack

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"stackpolicy/applied"
	"stackpolicy/internal/podman"
)

// unlabelledDB is a container of service db as podman-compose makes it.
func unlabelledDB() podman.Details {
	return podman.Details{
		Container: podman.Container{Name: "web_db_1", State: "running", Labels: map[string]string{podman.LabelService: "db", "tier": "back"}},
		Command:   []string{"postgres", "-c", "fsync=on"},
		Environ:   []string{"PATH=/bin", "PASSWORD=s3cret"},
		Mounts: []podman.Mount{
			{Type: "volume", Name: "web_data", Source: "/g/web_data", Target: "/data"},
			{Type: "bind", Source: "/etc/hosts", Target: "/hosts"},
			{Type: "volume", Name: volume, Source: "/g/" + volume, Target: "/cache"},
		},
		Ports: []podman.HostPort{{Number: 5432, Proto: "tcp"}},
	}
}

const declaredDB = `services:
  db:
    image: localhost/app:1
    command: [postgres, -c, fsync=on]
    environment: {PASSWORD: s3cret}
    labels: {tier: back}
    volumes: ["data:/data", "/etc/hosts:/hosts/"]
    ports: ["5432:5432"]
volumes: {data: {}}
`

// What makes a container that another program made another one than is declared,
// and what does not.
func TestAsDeclared(t *testing.T) {
	cases := []struct {
		name   string
		change func(*podman.Details)
		want   string // "" is no difference
	}{
		{"as it is declared", func(*podman.Details) {}, ""},
		{"a variable of the image", func(c *podman.Details) { c.Environ = append(c.Environ, "LANG=C") }, ""},
		{"another command", func(c *podman.Details) { c.Command = nil }, "its command is another one"},
		{"another value", func(c *podman.Details) { c.Environ = []string{"PASSWORD=old"} }, "its variable PASSWORD has another value"},
		{"another label", func(c *podman.Details) { c.Labels = map[string]string{"tier": "front"} }, "its label tier has another value"},
		{"another volume", func(c *podman.Details) { c.Mounts[0].Name = "other" }, `it has no volume at /data from "web_data"`},
		{"a bind of another file", func(c *podman.Details) { c.Mounts[1].Source = "/etc/passwd" }, `it has no bind at /hosts from "/etc/hosts"`},
		{"a bind more", func(c *podman.Details) {
			c.Mounts = append(c.Mounts, podman.Mount{Type: "bind", Source: "/", Target: "/host"})
		}, "it has a bind at /host, which the compose files do not name"},
		{"no port", func(c *podman.Details) { c.Ports = nil }, "it does not publish port :5432/tcp"},
	}
	w := newWorld(t)
	w.write("compose.yaml", declaredDB, 0o644)
	p := w.resolved()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			db := unlabelledDB()
			c.change(&db)
			got := strings.Join((asDeclared{p.model, p.project.Services[0]}).differences(db), "; ")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Adopt refuses what is not declared, records nothing then, and never changes a
// container.
func TestAdoptRefuses(t *testing.T) {
	cases := map[string]struct {
		arrange func(*world)
		want    Outcome
		words   string
	}{
		"another definition": {func(w *world) {
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [x]}}\n", 0o644)
		}, NotAdopted, "web_app is of another definition"},
		"a container is missing":       {func(w *world) { w.contains() }, NotAdopted, "service app has 0 containers, want 1"},
		"a service that is gone":       {func(w *world) { w.contains(container{"app", "running"}, container{"old", "running"}) }, NotAdopted, "web_old is of service old"},
		"compose files that are wrong": {func(w *world) { w.write("compose.yaml", "services: [", 0o644) }, BadCompose, "compose.yaml"},
		"no manager to verify with":    {func(*world) {}, CannotLook, "could not be determined"},
	}
	for name, c := range cases {
		testIn(t, name, func(t *testing.T, w *world) {
			c.arrange(w)
			s := w.web(nil)
			want(t, w.Adopt(t.Context(), s), c.want, c.words)
			if _, err := applied.Read(w.Env.StateHome, "web"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("recorded: %v", err)
			}
			for _, changed := range []string{"removed", "stopped", "calls"} {
				if _, err := os.Stat(w.path(changed)); err == nil {
					t.Errorf("a container was %s", changed)
				}
			}
		})
	}
}

// The record of an apply before does not refuse what adopt is for.
func TestAdoptReplacesARecord(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.unlabelled()
	a := adoption{stack: s, podman: w.projectPodman(s)}
	v := a.verification(w.Operator)
	if bad := v.read(t.Context()); bad != nil {
		t.Fatal(bad)
	}
	if found, err := v.currency.differences(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("found %q, %v", found, err)
	}
}

// What is recorded of services: the definition only where a label says it.
func TestAdoptedServices(t *testing.T) {
	w := newWorld(t)
	for name, labelled := range map[string]bool{"by stackctl": true, "by another program": false} {
		t.Run(name, func(t *testing.T) {
			w.stack = w.web(nil)
			w.contains(container{"app", "running"})
			if !labelled {
				w.unlabelled()
			}
			a := adoption{stack: w.web(nil), podman: w.projectPodman(w.web(nil))}
			if bad := a.compare(t.Context()); bad != nil {
				t.Fatal(bad)
			}
			s := a.services()
			if len(s) != 1 || (s[0].Definition != "") != labelled || s[0].ImageID != image {
				t.Errorf("%+v", s)
			}
		})
	}
}
