package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// bringUp changes containers: what is no longer wanted goes first, so that no
// two ever write to one volume or ask for one port.
func (t *transaction) bringUp(ctx context.Context, provider compose.Provider) error {
	for _, line := range t.plan.why() {
		t.Output("stackctl: " + line)
	}
	if err := t.atRest(ctx); err != nil {
		return err
	}
	t.touched = true
	if err := t.removeOrphans(ctx); err != nil {
		return err
	}
	if len(t.stack.Provider) > 0 {
		return t.provide(ctx, provider)
	}
	if err := t.takeOver(ctx); err != nil {
		return err
	}
	stop, err := t.podman().Serve(ctx, t.scope(t.stack), t.socket(), t.Environ)
	if err != nil {
		return err
	}
	defer stop()
	return t.engage(ctx)
}

// socket is the one of the stack's own API service. Its path has to be short
// (unix(7)).
func (t *transaction) socket() string {
	return filepath.Join(filepath.Dir(t.lockPath(t.stack)), "podman-"+t.project.Name+".sock")
}

// engage has the engine bring the project up. Containers that cannot be started
// as they are, as after a manager was killed, are replaced when nothing runs.
func (t *transaction) engage(ctx context.Context) error {
	e := engine.Engine{Socket: t.socket(), Output: t.said.line}
	options := engine.Options{
		Hyphens: t.hyphens(),
		Replace: t.plan.names(func(s planned) bool { return s.replace != "" }),
		Leave:   t.plan.names(func(s planned) bool { return s.done }),
	}
	err := e.Up(ctx, t.plan.model.Project, options)
	if err == nil {
		return t.rename(ctx)
	}
	if ctx.Err() != nil || t.anyRuns(ctx) {
		return t.named(ctx, err)
	}
	t.Output("stackctl: nothing could be started, so all is replaced: " + firstLine(err))
	options.Replace = t.plan.names(func(s planned) bool { return !s.done })
	return t.named(ctx, e.Up(ctx, t.plan.model.Project, options))
}

// rename gives a container its name that an apply which was killed had made under
// a provisional one: ID_NAME.
func (t *transaction) rename(ctx context.Context) error {
	now, err := t.containers(ctx, t.stack)
	if err != nil {
		return err
	}
	for _, c := range now {
		id, name, found := strings.Cut(c.Name, "_")
		service := c.Labels[labelService]
		if !found || len(id) != 12 || strings.Trim(id, "0123456789abcdef") != "" || !strings.HasPrefix(name, t.project.Name) || !strings.Contains(name, service) {
			continue
		}
		if err := t.podman().Rename(ctx, c.ID, name, t.Environ); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) anyRuns(ctx context.Context) bool {
	now, err := t.containers(ctx, t.stack)
	return err != nil || slices.ContainsFunc(now, isUp)
}

// hyphens reports whether the containers that there are have the names that
// Docker Compose gives; podman-compose and stackctl write underscores.
func (t *transaction) hyphens() bool {
	for _, s := range t.plan.services {
		for _, c := range s.containers {
			if strings.HasPrefix(c.Name, t.project.Name+"-"+s.Name+"-") {
				return true
			}
		}
	}
	return false
}

// named puts the names of containers where an error has their ids.
func (t *transaction) named(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	listing, bad := t.Podman.Containers(context.WithoutCancel(ctx))
	if bad != nil {
		return err
	}
	for _, c := range listing.Containers {
		text = strings.ReplaceAll(text, c.ID, c.Name)
	}
	return errors.New(text)
}

// atRest waits for containers that are about to end or to go: a podman that was
// told so by an apply that was killed is still at it.
func (t *transaction) atRest(ctx context.Context) error {
	for {
		now, err := t.containers(ctx, t.stack)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(now, func(c podman.Container) bool { return c.State == "stopping" || c.State == "removing" })
		if i < 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("container %s is still %s: %w", now[i].Name, now[i].State, context.Cause(ctx))
		case <-time.After(restPause):
		}
	}
}

const restPause = 200 * time.Millisecond

func (t *transaction) removeOrphans(ctx context.Context) error {
	for _, c := range t.plan.orphans {
		grace := graceOf(c, t.project.Services, engine.IsOwn(c.Labels))
		if err := t.podman().Remove(ctx, []string{c.ID}, grace, t.Environ, nil); err != nil {
			return t.named(ctx, err)
		}
	}
	return nil
}

// provide has the configured provider bring the project up, from one file with
// everything put in.
func (t *transaction) provide(ctx context.Context, provider compose.Provider) error {
	text, err := t.plan.model.Text()
	if err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(t.lockPath(t.stack)), "compose-"+t.stack.Name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if err := t.handOver(ctx); err != nil {
		return err
	}
	before, err := t.containers(ctx, t.stack)
	if err != nil {
		return err
	}
	up := compose.Up{
		Project: t.project.Name, Files: []string{file}, Dir: filepath.Dir(t.stack.Compose[0]), Environ: t.project.Environ,
		Unit: t.stack.Unit, Scope: t.scope(t.stack), NoPod: noPod(ctx, provider, t.project),
		Recreate: len(t.plan.names(func(s planned) bool { return s.replace != "" })) > 0, Output: t.said.line,
	}
	err = provider.Up(ctx, up)
	if errors.Is(err, compose.ErrNotStarted) && !up.Recreate && !slices.ContainsFunc(before, isUp) {
		// As after a manager was killed: the containers keep a network that is gone.
		t.Output("stackctl: containers are replaced: " + err.Error())
		up.Recreate = true
		err = provider.Up(ctx, up)
	}
	return err
}

// handOver removes containers of the engine that are to be replaced: a provider
// that is a program knows its own by their names alone, and would run a second
// one beside them.
func (t *transaction) handOver(ctx context.Context) error {
	for _, group := range stopOrder(t.project.Services) {
		for _, name := range group {
			s := t.plan.service(name)
			if s == nil || s.replace == "" {
				continue
			}
			for _, c := range s.containers {
				if !engine.IsMade(c.Labels) {
					continue
				}
				if err := t.podman().Remove(ctx, []string{c.ID}, graceOf(c, t.project.Services, true), t.Environ, nil); err != nil {
					return t.named(ctx, err)
				}
			}
		}
	}
	return nil
}
