package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/config"
	"stackpolicy/internal/podman"
)

// volume is what podman calls an anonymous volume.
var volume = strings.Repeat("c", 64)

// resolved is a plan for web before it is compared with any container.
func (w *world) resolved() *plan {
	w.t.Helper()
	s := w.web(nil)
	project, bad := s.load(w.t.Context(), w.Environ)
	if bad != nil {
		w.t.Fatal(bad)
	}
	model, _, err := resolve(w.t.Context(), s, project)
	if err != nil {
		w.t.Fatal(err)
	}
	return &plan{project: project, model: model}
}

// planOf is the plan for one container of service db that has an anonymous
// volume with data at /data.
func planOf(t *testing.T, composeFile string) (*plan, planned, podman.Mount) {
	t.Helper()
	w := newWorld(t)
	w.write("compose.yaml", composeFile, 0o644)
	p := w.resolved()
	one := planned{}
	for _, s := range p.project.Services {
		one = planned{Service: s}
	}
	return p, one, podman.Mount{Type: "volume", Name: volume, Target: "/data"}
}

// Which volumes a new container gets, and which would be left behind.
func TestUncarried(t *testing.T) {
	cases := []struct {
		name, volumes, rest string
		image               []string // paths at which the image asks for a volume; nil: nothing is carried over
		lost                bool
	}{
		{"the image asks for it still", "[]", "", []string{"/data"}, false},
		{"the new image has it elsewhere", "[]", "", []string{"/var/data"}, true},
		{"the image asks for none", "[]", "", []string{}, true},
		{"the compose file asks for it", "[/data]", "", []string{}, false},
		{"a named volume in its place", "['data:/data']", "volumes: {data: {}}", []string{"/data"}, true},
		{"a bind in its place", "['/srv:/data/']", "", []string{"/data"}, true},
		{"its own name", "['data:/data']", "volumes: {data: {external: true, name: " + volume + "}}", []string{"/data"}, false},
		{"a provider that carries nothing over", "[]", "", nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, one, mount := planOf(t, "services: {db: {image: localhost/app:1, volumes: "+c.volumes+"}}\n"+c.rest+"\n")
			if lost := len(p.uncarried(one, []podman.Mount{mount}, c.image)) > 0; lost != c.lost {
				t.Errorf("lost: %v, want %v", lost, c.lost)
			}
		})
	}
}

func TestLeftBehind(t *testing.T) {
	full, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "photo"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := podman.Details{Container: podman.Container{Name: "web_db_1", Labels: map[string]string{podman.LabelService: "db"}}}
	s := Stack{Name: "web"}
	mount := func(name, source string) []podman.Mount {
		return []podman.Mount{{Type: "volume", Name: name, Source: source, Target: "/data"}}
	}
	problems := s.left(c, mount(volume, full), "for a reason")
	if len(problems) != 1 || problems[0].Outcome != WouldLose || !strings.Contains(problems[0].Hint, volume) || !strings.Contains(problems[0].Hint, "discard_volumes: [db]") {
		t.Errorf("a full volume: %+v", problems)
	}
	if problems := s.left(c, mount(volume, "/nowhere"), ""); len(problems) != 1 {
		t.Errorf("a volume that cannot be read counts as full: %+v", problems)
	}
	if problems := s.left(c, mount(volume, empty), ""); len(problems) != 0 {
		t.Errorf("an empty volume: %+v", problems)
	}
	if problems := s.left(c, mount("web_data", full), ""); len(problems) != 0 {
		t.Errorf("a volume with a name stays: %+v", problems)
	}
	s.Stack = config.Stack{Discard: []string{"db"}}
	if problems := s.left(c, mount(volume, full), ""); len(problems) != 0 {
		t.Errorf("a service whose volumes may go: %+v", problems)
	}
}

// What an image that is not there yet does with a volume shows when it is there. A
// volume that the compose file asks for needs no image that does.
func TestLosses(t *testing.T) {
	w := newWorld(t)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "photo"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.web(func(s *config.Stack) { s.Provider = nil })
	cases := []struct {
		name, volumes, image string
		lost                 int
	}{
		{"the image asks for no volume", "", image, 1},
		{"the image is not there", "", "", 0},
		{"the compose file asks for one", "volumes: [/data]", image, 0},
		{"the compose file has something else there", `volumes: ["/tmp:/data"]`, "", 1},
	}
	for _, x := range cases {
		w.write("compose.yaml", "services: {app: {image: localhost/app:1, "+x.volumes+"}}\n", 0o644)
		p := w.resolved()
		c := podman.Details{Mounts: []podman.Mount{{Type: "volume", Name: volume, Source: full, Target: "/data"}}}
		p.services = []planned{{Service: p.project.Services[0], image: x.image, replace: "of another definition", containers: []podman.Details{c}}}
		if problems := p.losses(t.Context(), s, w.Operator.Podman); len(problems) != x.lost {
			t.Errorf("%s: %+v, want %d problems", x.name, problems, x.lost)
		}
	}
}

// A container is replaced for the sake of what it shares, and a one-shot that
// succeeded stays, unless what it depends on is replaced.
func TestCascadeAndOneShots(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", `services:
  vpn: {image: localhost/app:1}
  app: {image: localhost/app:1, network_mode: "service:vpn"}
  once: {image: localhost/app:1, restart: "no", depends_on: [db]}
  db: {image: localhost/app:1}
`, 0o644)
	p := w.resolved()
	for _, s := range p.project.Services {
		state := "running"
		if s.OneShot {
			state = "exited"
		}
		p.services = append(p.services, planned{Service: s, containers: []podman.Details{{Container: podman.Container{State: state}}}})
	}
	p.finish()
	if !p.service("once").done {
		t.Error("a one-shot that succeeded runs again")
	}
	p.service("vpn").replace, p.service("db").replace = "changed", "changed"
	p.cascade()
	p.finish()
	if p.service("app").replace == "" {
		t.Error("app keeps the network of a container that goes")
	}
	if p.service("once").done {
		t.Error("the one-shot does not run for a new database")
	}
}
