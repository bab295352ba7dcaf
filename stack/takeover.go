package stack

import (
	"context"
	"fmt"
	"slices"

	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// takeover makes way for the engine where another compose provider made the
// containers: the engine does not know them. They are stopped in order and with
// their grace periods. Each that has anonymous volumes leaves a stand-in, which
// is never started: the engine takes it for the container that it replaces, and
// carries the volumes over.
type takeover struct {
	podman projectPodman
	plan   *plan
}

func (t takeover) run(ctx context.Context) error {
	foreign := map[string][]podman.Details{}
	for _, s := range t.plan.services {
		for _, c := range s.containers {
			if !engine.IsOwn(c.Labels) {
				foreign[s.Name] = append(foreign[s.Name], c)
			}
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	if err := t.stop(ctx, foreign); err != nil {
		return err
	}
	// Dependents first: podman-compose makes containers that need others, and podman
	// does not remove one that is needed.
	err := inStopOrder(t.plan.project.Services, func(name string) error {
		for i, c := range foreign[name] {
			if err := t.replaceByStandIn(ctx, name, c, i+1); err != nil {
				return t.podman.withNames(ctx, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.podman.command().RemovePod(ctx, "pod_"+t.plan.project.Name, t.podman.environ)
	return nil
}

func (t takeover) stop(ctx context.Context, foreign map[string][]podman.Details) error {
	services := t.plan.project.Services
	return inStopOrder(services, func(name string) error {
		for _, c := range foreign[name] {
			if err := t.podman.stop(ctx, []string{c.ID}, graceOf(c, services, false)); err != nil {
				return t.podman.withNames(ctx, err)
			}
		}
		return nil
	})
}

func (t takeover) replaceByStandIn(ctx context.Context, service string, c podman.Details, number int) error {
	if n := engine.Number(c.Labels); n > 0 {
		number = n
	}
	name := fmt.Sprintf("%.12s_%s", c.ID, c.Name)
	if slices.ContainsFunc(c.Mounts, podman.Mount.IsAnonymous) {
		labels := engine.OwnLabels(t.plan.project.Name, service, number)
		if err := t.podman.command().StandIn(ctx, name, c.ID, c.ImageID, labels, t.podman.environ, nil); err != nil {
			return err
		}
	}
	return t.podman.remove(ctx, c.ID, usualGrace)
}
