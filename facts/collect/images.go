package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

const (
	autoUpdateService = "podman-auto-update.service"
	imagesLimit       = 4 * time.Second // one listing of images, and one of a run's events
)

// ImageSource knows podman's images and what podman did; [podman.Client] does. It
// must respect its context.
type ImageSource interface {
	Images(ctx context.Context) ([]podman.Image, error)
	Events(ctx context.Context, since, until time.Time) ([]podman.Event, error)
}

var imagesRow = collector{
	name: "images", limit: imagesLimit + time.Second, fills: []string{"auto_update"}, needs: []string{"podman"},
}

// imagesFound is the last run of auto-update and, for each container, which image its name
// means now and whether an update of it was rolled back.
type imagesFound struct {
	service    facts.AutoUpdate
	containers []imageFound
}

type imageFound struct {
	container  *facts.Container
	now        *facts.ImageNow
	rolledBack *facts.RolledBack
}

func collectImages(ctx context.Context, source ImageSource, service facts.AutoUpdate, doc *facts.Document) (imagesFound, error) {
	found, containers := imagesFound{service: service}, containersOf(doc)
	if source == nil || len(containers) == 0 {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, imagesLimit)
	defer cancel()
	images, err := source.Images(ctx)
	if err != nil {
		return found, inPlainWords(err, "list its images")
	}
	var events []podman.Event
	if since, until, ran := lastRun(service); ran && slices.ContainsFunc(containers, isUpdated) {
		if events, err = source.Events(ctx, since.Add(-time.Second), until.Add(time.Second)); err != nil {
			return found, inPlainWords(err, "say what it did")
		}
	}
	for _, c := range containers {
		found.containers = append(found.containers, imageFound{c, imageNow(images, c.Image), rolledBack(service, *c, events)})
	}
	return found, nil
}

func (f imagesFound) fill(doc *facts.Document) {
	doc.AutoUpdate = &f.service
	for _, i := range f.containers {
		i.container.ImageNow, i.container.RolledBack = i.now, i.rolledBack
	}
}

func inPlainWords(err error, what string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("podman did not %s within %s", what, imagesLimit)
	}
	return err
}

// containersOf returns all containers of the document, to be completed.
func containersOf(doc *facts.Document) []*facts.Container {
	var all []*facts.Container
	for i := range doc.Units {
		for j := range doc.Units[i].Containers {
			all = append(all, &doc.Units[i].Containers[j])
		}
	}
	for i := range doc.Podman.Unowned {
		all = append(all, &doc.Podman.Unowned[i])
	}
	return all
}

func isUpdated(c *facts.Container) bool { return c.AutoUpdate != "" && c.AutoUpdate != "disabled" }

func imageNow(images []podman.Image, name string) *facts.ImageNow {
	image := podman.Resolve(images, name)
	if image == nil {
		return nil
	}
	return &facts.ImageNow{ID: image.ID, BuiltAt: timeOrNil(image.Created)}
}

// autoUpdate is podman-auto-update.service as the manager has it.
func (l loadedUnits) autoUpdate() facts.AutoUpdate {
	u := l.loaded[autoUpdateService]
	a := facts.AutoUpdate{LoadState: u.LoadState, ActiveState: u.ActiveState, StartedAt: timeOrNil(u.InactiveExit)}
	if u.Service != nil {
		a.Result = u.Service.Result
	}
	if ended := u.ActiveState == "inactive" || u.ActiveState == "failed"; ended && a.StartedAt != nil {
		a.EndedAt = timeOrNil(u.StateChange)
	}
	return a
}

// lastRun is when the last run of auto-update began and ended, if it did.
func lastRun(a facts.AutoUpdate) (since, until time.Time, ran bool) {
	if a.StartedAt == nil || a.EndedAt == nil || a.EndedAt.Before(*a.StartedAt) {
		return since, until, false
	}
	return *a.StartedAt, *a.EndedAt, true
}

// rolledBack reports when the last run of auto-update rolled an update of the
// container back; nil where it did not. Measured with podman 4.3 and 5.4: podman
// restarts the unit with the new image, then gives the name back to the old one and
// restarts the unit again. So the container is created twice, and the name is given to
// the image that it runs. Events of pulls have no id before podman 5.
func rolledBack(a facts.AutoUpdate, c facts.Container, events []podman.Event) *facts.RolledBack {
	since, until, ran := lastRun(a)
	if !ran || !isUpdated(&c) || c.CreatedAt == nil || c.CreatedAt.Before(since) || c.CreatedAt.After(until) {
		return nil
	}
	created, tagged, pulled := 0, false, ""
	for _, e := range events {
		switch {
		case e.Type == "container" && e.Action == "create" && e.Name == c.Name:
			created++
		case e.Type == "image" && e.Action == "tag" && e.Name == c.Image && e.ID == c.ImageID:
			tagged = true
		case e.Type == "image" && e.Action == "pull" && e.Name == c.Image:
			pulled = e.ID
		}
	}
	if created >= 2 && tagged || pulled != "" && pulled != c.ImageID {
		return &facts.RolledBack{At: until}
	}
	return nil
}
