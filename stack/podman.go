package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Labels of containers by every compose provider.
const labelProject, labelService = "com.docker.compose.project", "com.docker.compose.service"

func (o *Operator) podman() compose.Podman {
	return compose.Podman{Argv: append([]string{o.Podman.Command}, o.Podman.Args...)}
}

// scope keeps what podman starts out of the unit that runs this.
func (o *Operator) scope(s Stack) []string {
	if o.Invocation == "" || o.Scope == nil {
		return nil
	}
	scope := o.Scope("containers of stack " + s.Name)
	if scope == nil {
		o.Output("stackctl: systemd-run is not installed: a stop of " + s.Unit + " cuts the containers' ports")
	}
	return scope
}

// noPod: podman-compose puts containers into a pod without an infra container,
// and one auto-updated container in such a pod has podman auto-update fail for
// every container of the user (measured with podman 5.4: "pod has no infra
// container").
func noPod(ctx context.Context, provider compose.Provider, project *compose.Project) bool {
	if !slices.ContainsFunc(project.Services, autoUpdated) {
		return false
	}
	version, err := provider.Version(ctx)
	return err == nil && strings.HasPrefix(version, "podman-compose ") && !strings.HasPrefix(version, oldest)
}

// oldest is the podman-compose that knows neither pods nor profiles.
const oldest = "podman-compose 1.0."

func autoUpdated(s compose.Service) bool {
	policy := s.Labels[labelAutoUpdate]
	return policy != "" && policy != "disabled"
}

// orphan: of a service that the compose files no longer have, in no profile.
func orphan(c podman.Container, project *compose.Project) bool {
	service := c.Labels[labelService]
	known := slices.ContainsFunc(project.Services, func(s compose.Service) bool { return s.Name == service })
	return service != "" && !known && !slices.Contains(project.Inactive, service)
}

// states tells how the containers are where an apply ended early: the provider
// may have waited for one of them.
func (o *Operator) states(ctx context.Context, s Stack) (out []string) {
	containers, err := o.containers(context.WithoutCancel(ctx), s)
	if err != nil {
		return lines(err)
	}
	for _, c := range containers {
		out = append(out, strings.TrimSpace(fmt.Sprintf("container %s: %s %s", c.Name, c.State, c.Health)))
		if c.State == "exited" && c.ExitCode != 0 {
			out = append(out, o.lastWords(ctx, c.ID)...)
		}
	}
	return out
}

// lastWords are the last lines of a container's log.
func (o *Operator) lastWords(ctx context.Context, id string) (out []string) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), podmanLimit)
	defer cancel()
	log, err := o.Podman.Logs(limited, id, logLines)
	if err != nil {
		out = append(out, "  its log cannot be read: "+err.Error())
	}
	for _, line := range log {
		out = append(out, "  log: "+cut(line))
	}
	return out
}

// complaints passes lines on and keeps what podman complained of.
type complaints struct {
	to   func(string)
	kept []string
}

func (c *complaints) line(text string) {
	if strings.HasPrefix(text, "Error: ") && len(c.kept) < maxComplaints {
		c.kept = append(c.kept, text)
	}
	c.to(text)
}

func (c *complaints) last() error {
	if len(c.kept) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.kept, "\n"))
}

// settled: a start finds such a container as it should be.
func settled(state string) bool {
	return slices.Contains([]string{"running", "exited", "stopped", "paused"}, state)
}

// containers are those of the stack's project.
func (o *Operator) containers(ctx context.Context, s Stack) ([]podman.Container, error) {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	listing, err := o.Podman.Containers(limited)
	if err == nil && !listing.Present {
		err = errors.New("podman is not installed")
	}
	return slices.DeleteFunc(listing.Containers, func(c podman.Container) bool {
		return c.Labels[labelProject] != s.Project
	}), err
}
