package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

const podmanLimit = 10 * time.Second

// projectPodman is podman for the containers of one compose project.
type projectPodman struct {
	client  podman.Client
	environ []string // of the podman command
	project string
}

// command is the podman command, which changes things.
func (p projectPodman) command() compose.Podman {
	return compose.Podman{Argv: append([]string{p.client.Command}, p.client.Args...)}
}

// answers returns nil when podman is installed and answers.
func (p projectPodman) answers(ctx context.Context) *Problem {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	listing, err := p.client.Containers(limited)
	switch {
	case err != nil:
		return &Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}
	case !listing.Present:
		return &Problem{Outcome: NoPodman, Message: "podman is not installed, or not in this unit's PATH", Hint: "install podman"}
	}
	return nil
}

// containers lists the project's containers.
func (p projectPodman) containers(ctx context.Context) ([]podman.Container, error) {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	listing, err := p.client.Containers(limited)
	if err == nil && !listing.Present {
		err = errors.New("podman is not installed")
	}
	return slices.DeleteFunc(listing.Containers, func(c podman.Container) bool {
		return c.Labels[podman.LabelProject] != p.project
	}), err
}

// details lists the project's containers without a pod's own.
func (p projectPodman) details(ctx context.Context) ([]podman.Details, error) {
	containers, err := p.containers(ctx)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, c := range containers {
		if !c.Infra {
			ids = append(ids, c.ID)
		}
	}
	return p.client.Details(ctx, ids)
}

// stop stops containers, which get grace for it.
func (p projectPodman) stop(ctx context.Context, ids []string, grace time.Duration) error {
	return p.command().Stop(ctx, ids, grace, p.environ, nil)
}

// remove stops a container, which gets grace for it, and removes it.
func (p projectPodman) remove(ctx context.Context, id string, grace time.Duration) error {
	return p.command().Remove(ctx, []string{id}, grace, p.environ, nil)
}

// states describes the containers after an apply that ended early: the provider
// may have waited for one of them.
func (p projectPodman) states(ctx context.Context) (out []string) {
	containers, err := p.containers(context.WithoutCancel(ctx))
	if err != nil {
		return lines(err)
	}
	for _, c := range containers {
		out = append(out, strings.TrimSpace(fmt.Sprintf("container %s: %s %s", c.Name, c.State, c.Health)))
		if c.State == "exited" && c.ExitCode != 0 {
			out = append(out, p.lastLines(ctx, c.ID)...)
		}
	}
	return out
}

// lastLines are the last lines of a container's log.
func (p projectPodman) lastLines(ctx context.Context, id string) (out []string) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), podmanLimit)
	defer cancel()
	log, err := p.client.Logs(limited, id, logLines)
	if err != nil {
		out = append(out, "  its log cannot be read: "+err.Error())
	}
	for _, line := range log {
		out = append(out, "  log: "+shorten(line))
	}
	return out
}

// withNames puts the names of containers where an error has their ids.
func (p projectPodman) withNames(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	listing, bad := p.client.Containers(context.WithoutCancel(ctx))
	if bad != nil {
		return err
	}
	for _, c := range listing.Containers {
		text = strings.ReplaceAll(text, c.ID, c.Name)
	}
	return errors.New(text)
}

// holders returns errors that name the containers of others that use these:
// podman does not remove a container that another one uses.
func (p projectPodman) holders(ctx context.Context, used []podman.Details) (errs []error) {
	if len(used) == 0 {
		return nil
	}
	listing, err := p.client.Containers(ctx)
	if err != nil {
		return []error{err}
	}
	ids, names := []string{}, map[string]string{}
	for _, c := range listing.Containers {
		ids = append(ids, c.ID)
	}
	for _, c := range used {
		names[c.ID] = c.Name
	}
	all, err := p.client.Details(ctx, ids)
	if err != nil {
		return []error{err}
	}
	for _, c := range all {
		for _, id := range c.Needs {
			if names[id] != "" && c.Labels[podman.LabelProject] != p.project && !c.Infra {
				errs = append(errs, fmt.Errorf("container %s holds %s: podman removes no container that another one uses", c.Name, names[id]))
			}
		}
	}
	return errs
}

// waitForRest waits for containers that are about to end or to be removed: a
// podman that a killed apply started may still be working on them.
func (p projectPodman) waitForRest(ctx context.Context) error {
	for {
		now, err := p.containers(ctx)
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

// anyRuns reports whether a container of the project runs, or may run.
func (p projectPodman) anyRuns(ctx context.Context) bool {
	now, err := p.containers(ctx)
	return err != nil || slices.ContainsFunc(now, isRunning)
}

func isRunning(c podman.Container) bool { return c.State == "running" }
