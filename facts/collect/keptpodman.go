package collect

import (
	"context"
	"slices"
	"time"

	"stackpolicy/internal/podman"
	"stackpolicy/internal/podman/quadlet"
)

type (
	listing   = podman.Listing
	imageList = []podman.Image
	storageAt = podman.Storage
	eventList struct {
		since, until time.Time
		events       []podman.Event
	}
	refusedBy struct {
		program  string
		sources  []string
		refusals map[string]quadlet.Refusal
	}
)

// environment is an environment whose sources answer from the last collection what did not
// change since.
func (k *kept) environment(env Environment) Environment {
	env.kept, env.Podman = k, keptContainers{env.Podman, k}
	if env.Images != nil {
		env.Images = keptImages{env.Images, k}
	}
	if env.Storage != nil {
		env.Storage = keptStorage{env.Storage, k}
	}
	if env.Quadlets != nil {
		env.Quadlets = keptQuadlets{env.Quadlets, k}
	}
	return env
}

type keptContainers struct {
	Lister
	kept *kept
}

func (c keptContainers) Containers(ctx context.Context) (podman.Listing, error) {
	return c.kept.containers.get(old[listing](c.kept.change.Whole || c.kept.change.Containers), func() (listing, error) { return c.Lister.Containers(ctx) })
}

type keptImages struct {
	ImageSource
	kept *kept
}

func (i keptImages) Images(ctx context.Context) ([]podman.Image, error) {
	c := i.kept.change
	return i.kept.images.get(old[imageList](c.Whole || c.Images), func() (imageList, error) { return i.ImageSource.Images(ctx) })
}

func (i keptImages) Events(ctx context.Context, since, until time.Time) ([]podman.Event, error) {
	isOld := func(last eventList) bool {
		return i.kept.change.Whole || !last.since.Equal(since) || !last.until.Equal(until)
	}
	found, err := i.kept.events.get(isOld, func() (eventList, error) {
		events, err := i.ImageSource.Events(ctx, since, until)
		return eventList{since, until, events}, err
	})
	return found.events, err
}

type keptStorage struct {
	StorageSource
	kept *kept
}

func (s keptStorage) Storage(ctx context.Context) (podman.Storage, error) {
	return s.kept.storage.get(old[storageAt](s.kept.change.Whole), func() (storageAt, error) { return s.StorageSource.Storage(ctx) })
}

type keptQuadlets struct {
	QuadletChecker
	kept *kept
}

// Refusals keeps the answer while no file changed: a change of a quadlet makes a collection a
// whole one.
func (q keptQuadlets) Refusals(ctx context.Context, e Environment, program string, sources []string) (map[string]quadlet.Refusal, error) {
	isOld := func(last refusedBy) bool {
		return q.kept.change.Whole || last.program != program || !slices.Equal(last.sources, sources)
	}
	found, err := q.kept.quadlets.get(isOld, func() (refusedBy, error) {
		refusals, err := q.QuadletChecker.Refusals(ctx, e, program, sources)
		return refusedBy{program, sources, refusals}, err
	})
	return found.refusals, err
}
