package stack

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// takeOver makes way for the engine where another compose provider made the
// containers: the engine does not know them. They are stopped in order and with
// their grace periods. Each that has anonymous volumes leaves a stand-in, which
// is never started: the engine takes it for the container that it replaces, and
// carries the volumes over.
func (t *transaction) takeOver(ctx context.Context) error {
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
	for _, group := range stopOrder(t.project.Services) {
		for _, name := range group {
			for _, c := range foreign[name] {
				grace := graceOf(c, t.project.Services, false)
				if err := t.podman().Stop(ctx, []string{c.ID}, grace, t.Environ, nil); err != nil {
					return t.named(ctx, err)
				}
			}
		}
	}
	for _, s := range t.plan.services {
		for i, c := range foreign[s.Name] {
			if err := t.replaceByStandIn(ctx, s, c, i+1); err != nil {
				return t.named(ctx, err)
			}
		}
	}
	t.podman().RemovePod(ctx, "pod_"+t.project.Name, t.Environ)
	return nil
}

func (t *transaction) replaceByStandIn(ctx context.Context, s planned, c podman.Details, number int) error {
	if n, err := strconv.Atoi(c.Labels["com.docker.compose.container-number"]); err == nil && n > 0 {
		number = n
	}
	if slices.ContainsFunc(c.Mounts, podman.Mount.IsAnonymous) {
		labels := engine.OwnLabels(t.project.Name, s.Name, number)
		name := fmt.Sprintf("%.12s_%s", c.ID, c.Name)
		if err := t.podman().StandIn(ctx, name, c.ID, c.ImageID, labels, t.Environ, nil); err != nil {
			return err
		}
	}
	return t.podman().Remove(ctx, []string{c.ID}, usualGrace, t.Environ, nil)
}
