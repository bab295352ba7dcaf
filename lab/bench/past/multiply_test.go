package past

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

// small returns a document of a stack with a container, a plain unit, and an unmanaged unit.
func small() *facts.Document {
	path := "/home/u/.config/systemd/user/"
	return &facts.Document{Schema: facts.Schema, Units: []facts.Unit{
		{
			Name: "files.service", ManagedBy: "home-manager", Stack: "files",
			Loaded: &facts.Loaded{FragmentPath: path + "files.service", ActiveState: "active"},
			Files: []facts.File{{
				Path: path + "files.service", State: "declared",
				Target: "/nix/store/x-files.service/files.service", FirstHop: "/nix/store/y-home-manager-files/files.service",
			}},
			Containers: []facts.Container{{
				ID: "1f", Name: "files-app-1", Project: "files", Service: "app",
				UnitLabel: &facts.UnitLabel{Name: "files.service", Valid: true},
				Labels:    map[string]string{"PODMAN_SYSTEMD_UNIT": "files.service"},
			}},
		},
		{Name: "plain.service", ManagedBy: "home-manager"},
		{Name: "session.scope"},
	}}
}

func TestMultiply(t *testing.T) {
	doc := small()
	larger, err := Multiply(doc, 5)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range larger.Units {
		names = append(names, u.Name)
	}
	want := []string{
		"files-x00001.service", "files-x00002.service", "files.service",
		"plain-x00001.service", "plain.service", "session.scope",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(small(), doc); diff != "" {
		t.Errorf("the original changed:\n%s", diff)
	}
}

func TestRenamed(t *testing.T) {
	got, err := renamed(small().Units[0], "-x1")
	if err != nil {
		t.Fatal(err)
	}
	path := "/home/u/.config/systemd/user/files-x1.service"
	want := small().Units[0]
	want.Name, want.Stack = "files-x1.service", "files-x1"
	want.Loaded.FragmentPath = path
	want.Files[0].Path = path
	want.Files[0].Target = "/nix/store/x-files-x1.service/files-x1.service"
	want.Files[0].FirstHop = "/nix/store/y-home-manager-files/files-x1.service"
	c := &want.Containers[0]
	c.ID, c.Name, c.Project = "1f-x1", "files-app-1-x1", "files-x1"
	c.UnitLabel.Name, c.Labels = "files-x1.service", map[string]string{"PODMAN_SYSTEMD_UNIT": "files-x1.service"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMultiplyRefuses(t *testing.T) {
	none := small()
	none.Units = none.Units[2:]
	nameless := small()
	nameless.Units[0].Name = "files"
	for name, c := range map[string]struct {
		doc *facts.Document
		n   int
	}{
		"nothing managed":   {none, 5},
		"fewer than it has": {small(), 1},
		"no unit's name":    {nameless, 5},
	} {
		if _, err := Multiply(c.doc, c.n); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
