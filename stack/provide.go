package stack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// provide has the configured provider bring the project up, from one file with
// everything put in. It works in that file's folder: podman-compose 1.3 takes variables
// of podman from an .env where it works.
func (t *transaction) provide(ctx context.Context, provider compose.Provider) error {
	given, err := t.plan.model.Given()
	if err != nil {
		return err
	}
	for name := range t.plan.model.Services {
		t.plan.model.Label(name, applied.LabelGiven, given)
	}
	text, err := t.plan.model.ProviderText()
	if err != nil {
		return err
	}
	file := filepath.Join(t.folder, "compose-"+t.stack.Name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	before, err := t.podman.containers(ctx)
	if err != nil {
		return err
	}
	up := compose.Up{
		Project: t.project.Name, Files: []string{file}, Dir: t.folder, Environ: t.project.Environ,
		Unit: t.stack.Unit, Scope: t.scope(), NoPod: needsNoPod(ctx, provider, t.project, t.plan.model),
		Recreate: len(t.plan.names(planned.isReplaced)) > 0, Output: t.said.line,
	}
	if up.Recreate {
		if err := t.stopFirst(ctx); err != nil {
			return err
		}
		if err := t.clear(ctx); err != nil {
			return t.podman.withNames(ctx, err)
		}
	}
	err = provider.Up(ctx, up)
	if errors.Is(err, compose.ErrNotStarted) && !up.Recreate && !slices.ContainsFunc(before, isRunning) {
		// As after a manager was killed: the containers keep a network that no
		// longer exists.
		t.output("stackctl: containers are replaced: " + err.Error())
		up.Recreate = true
		err = provider.Up(ctx, up)
	}
	return err
}

// stopFirst stops all containers within their grace periods: podman-compose, which
// stops all of them to replace one, gives each ten seconds.
func (t *transaction) stopFirst(ctx context.Context) error {
	_, err := (&stopping{stack: t.stack, podman: t.podman, output: t.output}).run(ctx)
	return t.podman.withNames(ctx, err)
}

// clear removes all containers, which are to be replaced, if the provider would not find
// one of them: a provider that is a program knows its own by their names, and would run a
// second one beside it.
func (t *transaction) clear(ctx context.Context) error {
	if !slices.ContainsFunc(t.plan.services, t.plan.isHidden) {
		return nil
	}
	return inStopOrder(t.project.Services, func(name string) error {
		for _, c := range t.plan.service(name).containers {
			if err := t.podman.remove(ctx, c.ID, graceOf(c, t.project.Services, engine.IsOwn(c.Labels))); err != nil {
				return err
			}
		}
		return nil
	})
}

// isHidden reports whether a provider that is a program would not find a container of the
// service: the engine made it, or the compose files give it another name now.
func (p *plan) isHidden(s planned) bool {
	given := p.model.Services[s.Name].ContainerName
	return slices.ContainsFunc(s.containers, func(c podman.Details) bool {
		isNamed := c.Name == given || given == "" && isUsualName(c.Name, p.project.Name, s.Name)
		return engine.IsMade(c.Labels) || !isNamed
	})
}
