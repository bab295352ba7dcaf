package stack

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// bringUp changes containers. What is no longer wanted is removed first, so that
// no two ever write to one volume or ask for one port.
func (t *transaction) bringUp(ctx context.Context, provider compose.Provider) error {
	for _, line := range t.plan.reasons() {
		t.output("stackctl: " + line)
	}
	if err := t.podman.waitForRest(ctx); err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.removeLeftovers(ctx); err != nil {
		return err
	}
	if err := t.removeOrphans(ctx); err != nil {
		return err
	}
	if err := t.start(ctx, provider); err != nil {
		return err
	}
	return t.removeNeeded(ctx)
}

// start has the configured provider or the engine make and start containers.
func (t *transaction) start(ctx context.Context, provider compose.Provider) error {
	if len(t.stack.Provider) > 0 {
		return t.provide(ctx, provider)
	}
	if err := (takeover{t.podman, t.plan}).run(ctx); err != nil {
		return err
	}
	stop, err := t.podman.command().Serve(ctx, t.scope(), t.socket(), t.podman.environ)
	if err != nil {
		return err
	}
	defer stop()
	return t.engage(ctx)
}

// removeLeftovers removes containers that never ran. Their volumes are those of the
// containers that they were made for, and stay.
func (t *transaction) removeLeftovers(ctx context.Context) error {
	for _, c := range t.plan.leftovers {
		if err := t.podman.remove(ctx, c.ID, 0); err != nil {
			return t.podman.withNames(ctx, err)
		}
	}
	return nil
}

// removeOrphans removes the containers of services that are gone. One that podman
// does not remove because others were made to need it, as podman-compose makes them,
// is stopped; it goes when those are replaced.
func (t *transaction) removeOrphans(ctx context.Context) error {
	for _, c := range t.plan.orphans {
		grace := graceOf(c, t.project.Services, engine.IsOwn(c.Labels))
		if t.podman.remove(ctx, c.ID, grace) == nil {
			continue
		}
		if err := t.podman.stop(ctx, []string{c.ID}, grace); err != nil {
			return t.podman.withNames(ctx, err)
		}
		t.needed = append(t.needed, c.ID)
	}
	return nil
}

// removeNeeded removes the orphans that were only stopped.
func (t *transaction) removeNeeded(ctx context.Context) error {
	for _, id := range t.needed {
		if err := t.podman.remove(ctx, id, usualGrace); err != nil {
			return t.podman.withNames(ctx, err)
		}
	}
	return nil
}

// socket is the one of the stack's own API service. Its path has to be short
// (unix(7)).
func (t *transaction) socket() string {
	return filepath.Join(t.folder, "podman-"+t.project.Name+".sock")
}

// engage has the engine bring the project up. When nothing runs afterwards
// because a container cannot be started as it is, as after a manager was killed,
// all are replaced. podman 5.4 can fail to remove one whose network is gone, and has then
// removed it all the same: so that is tried twice.
func (t *transaction) engage(ctx context.Context) error {
	e := engine.Engine{Socket: t.socket(), Output: t.said.line}
	options := engine.Options{
		Hyphens: t.plan.usesHyphens(),
		Replace: t.plan.names(planned.isReplaced),
		Leave:   t.plan.names(func(s planned) bool { return s.done }),
	}
	err := e.Up(ctx, t.plan.model.Project, options)
	if err == nil {
		return t.rename(ctx)
	}
	if ctx.Err() != nil || t.podman.anyRuns(ctx) {
		return t.podman.withNames(ctx, err)
	}
	t.output("stackctl: nothing could be started, so all is replaced: " + firstLine(err))
	options.Replace = t.plan.names(func(s planned) bool { return !s.done })
	for range 2 {
		if err = e.Up(ctx, t.plan.model.Project, options); err == nil {
			return t.rename(ctx)
		}
		if ctx.Err() != nil || t.podman.anyRuns(ctx) {
			break
		}
	}
	return t.podman.withNames(ctx, err)
}

// rename gives a container its name when a killed apply left it with a
// provisional one: ID_NAME.
func (t *transaction) rename(ctx context.Context) error {
	now, err := t.podman.containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range now {
		name := finalName(c, t.project.Name, t.plan.model.Services[c.Labels[podman.LabelService]].ContainerName)
		if name == "" {
			continue
		}
		if err := t.podman.command().Rename(ctx, c.ID, name, t.podman.environ); err != nil {
			return err
		}
	}
	return nil
}

// finalName is the name in a provisional one; "" when the name is final. given is
// the name that the compose files give the service's container, if they do.
func finalName(c podman.Container, project, given string) string {
	id, name, found := strings.Cut(c.Name, "_")
	if !found || len(id) != 12 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	if name != given && !isUsualName(name, project, c.Labels[podman.LabelService]) {
		return ""
	}
	return name
}

// isUsualName reports whether a name is one that compose providers give: web_db_1 or
// web-db-1.
func isUsualName(name, project, service string) bool {
	return strings.HasPrefix(name, project) && strings.Contains(name, service)
}

// inStopOrder does something with the containers of services, dependents first.
func inStopOrder(services []compose.Service, do func(service string) error) error {
	for _, name := range slices.Concat(stopOrder(services)...) {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}
