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

func imagesCollector() collector {
	return collector{
		name: "images", limit: imagesLimit + time.Second, collect: collectImages, fills: []string{"auto_update"},
		needs: []string{"podman"},
	}
}

// collectImages fills auto_update, and of each container which image its name means
// now and whether an update of it was rolled back.
func collectImages(ctx context.Context, r *run) (func(), error) {
	service := r.autoUpdate()
	containers := r.containers()
	if r.env.Images == nil || len(containers) == 0 {
		return func() { r.doc.AutoUpdate = &service }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, imagesLimit)
	defer cancel()
	images, err := r.env.Images.Images(ctx)
	if err != nil {
		return nil, inPlainWords(err, "list its images")
	}
	var events []podman.Event
	if since, until, ran := lastRun(service); ran && slices.ContainsFunc(containers, isUpdated) {
		if events, err = r.env.Images.Events(ctx, since.Add(-time.Second), until.Add(time.Second)); err != nil {
			return nil, inPlainWords(err, "tell what it did")
		}
	}
	return func() {
		r.doc.AutoUpdate = &service
		for _, c := range containers {
			c.ImageNow = imageNow(images, c.Image)
			c.RolledBack = rolledBack(service, *c, events)
		}
	}, nil
}

func inPlainWords(err error, what string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("podman did not %s within %s", what, imagesLimit)
	}
	return err
}

// containers are all containers of the document, to be completed.
func (r *run) containers() []*facts.Container {
	var all []*facts.Container
	for i := range r.doc.Units {
		for j := range r.doc.Units[i].Containers {
			all = append(all, &r.doc.Units[i].Containers[j])
		}
	}
	for i := range r.doc.Podman.Unowned {
		all = append(all, &r.doc.Podman.Unowned[i])
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
func (r *run) autoUpdate() facts.AutoUpdate {
	u := r.loaded[autoUpdateService]
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
