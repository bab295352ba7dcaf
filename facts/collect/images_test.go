package collect

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
)

const oldImage, newImage = "0a", "0b"

// TestRolledBack: the events are those that podman 4.3 and 5.4 were seen to keep.
func TestRolledBack(t *testing.T) {
	start, end := noon.Add(-12*time.Hour), noon.Add(-12*time.Hour).Add(time.Minute)
	ran := facts.AutoUpdate{ActiveState: "inactive", StartedAt: &start, EndedAt: &end}
	created := start.Add(30 * time.Second)
	app := facts.Container{Name: "web_app", Image: "localhost/app:1", ImageID: oldImage, AutoUpdate: "registry", CreatedAt: &created}
	with := func(change func(*facts.Container)) facts.Container { c := app; change(&c); return c }

	create := podman.Event{Type: "container", Action: "create", Name: "web_app", Image: "localhost/app:1"}
	pull := podman.Event{Type: "image", Action: "pull", Name: "localhost/app:1", ID: newImage}
	tag := podman.Event{Type: "image", Action: "tag", Name: "localhost/app:1", ID: oldImage}
	pullOf4 := podman.Event{Type: "image", Action: "pull", Name: "localhost/app:1"}
	for name, tc := range map[string]struct {
		service   facts.AutoUpdate
		container facts.Container
		events    []podman.Event
		want      string
	}{
		"of a registry, podman 5.4":       {ran, app, []podman.Event{pull, create, tag, create}, "rolled back"},
		"of a registry, podman 4.3":       {ran, app, []podman.Event{pullOf4, create, tag, create}, "rolled back"},
		"a local image":                   {ran, app, []podman.Event{create, tag, create}, "rolled back"},
		"pulled, and something else runs": {ran, app, []podman.Event{pull, create, create}, "rolled back"},
		"an update that lasts":            {ran, with(func(c *facts.Container) { c.ImageID = newImage }), []podman.Event{pull, create}, ""},
		"that lasts, at the second try":   {ran, with(func(c *facts.Container) { c.ImageID = newImage }), []podman.Event{pull, create, create}, ""},
		"made twice for no rollback":      {ran, app, []podman.Event{create, create}, ""},
		"tagged by its own start":         {ran, app, []podman.Event{create, tag}, ""},
		"nothing to update":               {ran, app, nil, ""},
		"another container's":             {ran, with(func(c *facts.Container) { c.Name = "db" }), []podman.Event{create, tag, create}, ""},
		"another image's name":            {ran, with(func(c *facts.Container) { c.Image = "localhost/db:1" }), []podman.Event{pull, create}, ""},
		"not auto-updated":                {ran, with(func(c *facts.Container) { c.AutoUpdate = "" }), []podman.Event{pull, create, tag, create}, ""},
		"auto-update disabled":            {ran, with(func(c *facts.Container) { c.AutoUpdate = "disabled" }), []podman.Event{pull, create, tag, create}, ""},
		"restarted by hand since":         {ran, with(func(c *facts.Container) { at := noon.Add(-time.Hour); c.CreatedAt = &at }), []podman.Event{pull, create, tag, create}, ""},
		"made before the run":             {ran, with(func(c *facts.Container) { at := noon.Add(-24 * time.Hour); c.CreatedAt = &at }), []podman.Event{pull}, ""},
		"of unknown age":                  {ran, with(func(c *facts.Container) { c.CreatedAt = nil }), []podman.Event{pull, create, tag, create}, ""},
		"under way":                       {facts.AutoUpdate{ActiveState: "activating", StartedAt: &start}, app, []podman.Event{pull, create}, ""},
		"never ran":                       {facts.AutoUpdate{}, app, []podman.Event{pull, create}, ""},
	} {
		got := ""
		if r := rolledBack(tc.service, tc.container, tc.events); r != nil {
			got = "rolled back"
			if !r.At.Equal(end) {
				t.Errorf("%s: at %s, want %s", name, r.At, end)
			}
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// images is a podman with these images and events.
type images struct {
	images []podman.Image
	events []podman.Event
	err    error
	window *[2]time.Time // of the events that were asked for
}

func (i images) Images(context.Context) ([]podman.Image, error) { return i.images, i.err }

func (i images) Events(_ context.Context, since, until time.Time) ([]podman.Event, error) {
	*i.window = [2]time.Time{since, until}
	return i.events, i.err
}

func TestCollectImages(t *testing.T) {
	run := func(t *testing.T, source ImageSource, policy string) *facts.Document {
		env := testEnvironment(t)
		env.Podman = containers{{ID: "01", Name: "app", Image: "localhost/app:1", ImageID: oldImage, State: "running",
			CreatedAt: noon.Add(-59 * time.Minute), Labels: map[string]string{podman.LabelAutoUpdate: policy}}}
		env.Images = source
		units := &fakeManager{units: map[string]systemd.Unit{autoUpdateService: {
			ID: autoUpdateService, LoadState: "loaded", ActiveState: "inactive", InactiveExit: noon.Add(-time.Hour),
			StateChange: noon.Add(-58 * time.Minute), Service: &systemd.Service{Result: "success"},
		}}}
		return collect(t.Context(), env, units.survey)
	}
	found := []podman.Image{{ID: newImage, Names: []string{"localhost/other:1", "localhost/app:1"}, Created: noon.Add(-2 * time.Hour)}}
	rollback := []podman.Event{{Type: "image", Action: "pull", Name: "localhost/app:1", ID: newImage}}

	var window [2]time.Time
	doc := run(t, images{found, rollback, nil, &window}, "registry")
	c := doc.Podman.Unowned[0]
	if c.ImageNow == nil || c.ImageNow.ID != newImage || c.RolledBack == nil || c.ImageID != oldImage {
		t.Errorf("got %+v", c)
	}
	if a := doc.AutoUpdate; a == nil || a.Result != "success" || !a.EndedAt.Equal(noon.Add(-58*time.Minute)) {
		t.Errorf("auto_update is %+v", doc.AutoUpdate)
	}
	if window[1].Sub(window[0]) > 3*time.Minute {
		t.Errorf("events of %s are read, and only those of the run count", window[1].Sub(window[0]))
	}

	window = [2]time.Time{}
	if doc := run(t, images{found, rollback, nil, &window}, ""); !window[0].IsZero() || doc.Podman.Unowned[0].RolledBack != nil {
		t.Error("events are read although no container is auto-updated")
	}
	if doc := run(t, nil, "registry"); doc.AutoUpdate == nil || doc.Podman.Unowned[0].ImageNow != nil {
		t.Error("without a source of images nothing is known of them")
	}

	doc = run(t, images{err: context.DeadlineExceeded, window: &window}, "registry")
	if got := doc.Collectors["images"]; got.OK || got.Error != "podman did not list its images within 4s" || doc.AutoUpdate != nil {
		t.Errorf("with a silent podman: %+v", got)
	}
	doc = run(t, images{err: errors.New("database is locked"), window: &window}, "registry")
	if got := doc.Collectors["images"]; got.OK || !strings.Contains(got.Error, "locked") {
		t.Errorf("with a podman that fails: %+v", got)
	}
	if doc.Podman == nil || !doc.Collectors["podman"].OK {
		t.Error("the containers are known all the same")
	}
}
