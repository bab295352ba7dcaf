package stack

import (
	"os"
	"strings"
	"testing"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

func TestFinalName(t *testing.T) {
	cases := []struct{ name, given, want string }{
		{"0123456789ab_web_db_1", "", "web_db_1"},
		{"0123456789ab_web-db-1", "", "web-db-1"},
		{"0123456789ab_the-database", "the-database", "the-database"},
		{"0123456789ab_the-database", "", ""},
		{"web_db_1", "", ""},
		{"the-database", "the-database", ""},
		{"0123456789ax_web_db_1", "", ""},
		{"0123456789ab_shop_db_1", "", ""},
	}
	for _, c := range cases {
		container := podman.Container{Name: c.name, Labels: map[string]string{podman.LabelService: "db"}}
		if got := finalName(container, "web", c.given); got != c.want {
			t.Errorf("%s where the compose files say %q: %q, want %q", c.name, c.given, got, c.want)
		}
	}
}

// An orphan that other containers need is stopped before anything new starts, and
// removed when those are replaced.
func TestRemoveOrphanThatIsNeeded(t *testing.T) {
	w := newWorld(t)
	w.write("podman", `#!/bin/sh
here=$(dirname "$0")
echo "$1" >>"$here/did"
[ "$1" != rm ] || [ ! -e "$here/needed" ] || exit 125
`, 0o755)
	w.write("needed", "", 0o644)
	tr := w.transaction(w.web(nil))
	tr.project = &compose.Project{Name: "web"}
	tr.plan = &plan{orphans: []podman.Details{{Container: podman.Container{ID: idOf(0), Name: "web_old"}}}}
	if err := tr.removeOrphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.path("needed")); err != nil {
		t.Fatal(err)
	}
	if err := tr.removeNeeded(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.did(); got != "rm stop rm" {
		t.Errorf("podman did %q, want rm, stop, and rm again", got)
	}
}

// A container that never ran is removed at once; its volumes are not its own.
func TestRemoveLeftovers(t *testing.T) {
	w := newWorld(t)
	tr := w.transaction(w.web(nil))
	tr.plan = &plan{leftovers: []podman.Details{{Container: podman.Container{ID: idOf(0), Name: "web_app"}}}}
	if err := tr.removeLeftovers(t.Context()); err != nil {
		t.Fatal(err)
	}
	removed, err := os.ReadFile(w.path("removed"))
	if got := string(removed); err != nil || !strings.Contains(got, idOf(0)) || strings.Contains(got, "--volumes") || strings.Contains(got, " -v") {
		t.Errorf("podman did %q, %v; want that it removes %s and keeps its volumes", got, err, idOf(0))
	}
}

// Containers of podman-compose need those that they depend on: dependents go first.
func TestDependentsAreRemovedFirst(t *testing.T) {
	for name, remove := range map[string]func(*transaction) error{
		"taken over":     func(tr *transaction) error { return takeover{tr.podman, tr.plan}.run(t.Context()) },
		"for a provider": func(tr *transaction) error { return tr.clear(t.Context()) },
	} {
		testIn(t, name, func(t *testing.T, w *world) {
			w.write("podman", "#!/bin/sh\nfor last; do :; done\n[ $1 != rm ] || echo $last >>\"$(dirname \"$0\")/did\"\n", 0o755)
			w.write("compose.yaml", "services: {db: {image: localhost/app:1, container_name: other}, web: {image: localhost/app:1, depends_on: [db]}}\n", 0o644)
			tr := w.transaction(w.stack)
			tr.plan = w.resolved()
			tr.project = tr.plan.project
			for i, s := range tr.project.Services {
				c := podman.Details{Container: podman.Container{ID: idOf(i), Name: "web_" + s.Name + "_1", Labels: map[string]string{podman.LabelService: s.Name}}}
				tr.plan.services = append(tr.plan.services, planned{Service: s, containers: []podman.Details{c}})
			}
			if err := remove(tr); err != nil {
				t.Fatal(err)
			}
			if got, want := w.did(), idOf(1)+" "+idOf(0); got != want || tr.project.Services[0].Name != "db" {
				t.Errorf("removed %s, want first the one that needs %s", got, tr.project.Services[0].Name)
			}
		})
	}
}

// What a provider that knows its containers by their names would leave beside their
// successors.
func TestIsHidden(t *testing.T) {
	w := newWorld(t)
	made := engine.OwnLabels("web", "app", 1)
	for _, c := range []struct {
		file, name string
		labels     map[string]string
		want       bool
	}{
		{"", "web_app_1", nil, false},
		{"", "web-app-1", nil, false},
		{"", "the-app", nil, true},
		{"", "web_app_1", made, true},
		{", container_name: the-app", "the-app", nil, false},
		{", container_name: the-app", "web_app_1", nil, true},
		{", container_name: the-app", "an-app", nil, true},
	} {
		w.write("compose.yaml", "services: {app: {image: localhost/app:1"+c.file+"}}\n", 0o644)
		s := planned{containers: []podman.Details{{Container: podman.Container{Name: c.name, Labels: c.labels}}}}
		s.Name = "app"
		if got := w.resolved().isHidden(s); got != c.want {
			t.Errorf("%s %q, %s: %v", c.name, c.labels, c.file, got)
		}
	}
}

// did is what a stand-in for podman wrote down.
func (w *world) did() string {
	w.t.Helper()
	text, err := os.ReadFile(w.path("did"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}
