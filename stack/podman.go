package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Labels of containers by every compose provider.
const labelProject, labelService = "com.docker.compose.project", "com.docker.compose.service"

// pull fetches the images that are not here, before anything is stopped: a
// provider stops the old containers first, and the stack is down when it then
// finds no image for the new ones.
func (o *Operator) pull(ctx context.Context, project *compose.Project) error {
	images := []string{}
	for _, s := range project.Services {
		if s.Image != "" && !s.Build && !slices.Contains(images, s.Image) {
			images = append(images, s.Image)
		}
	}
	here, err := o.Podman.ImageIDs(ctx, images)
	if err != nil {
		return err
	}
	for _, image := range images {
		if here[image] != "" {
			continue
		}
		if err := o.podman().Pull(ctx, image, o.Environ, o.Output); err != nil {
			return err
		}
	}
	return nil
}

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

// settle does what providers leave undone. podman-compose 1.0 removes no
// orphans, and no version says by its exit status that it made no container.
func (o *Operator) settle(ctx context.Context, s Stack, project *compose.Project, said *complaints) error {
	after, err := o.containers(ctx, s)
	if err != nil {
		return err
	}
	for _, service := range project.Services {
		has := func(c podman.Container) bool { return c.Labels[labelService] == service.Name }
		if service.Replicas > 0 && !slices.ContainsFunc(after, has) {
			return errors.Join(fmt.Errorf("service %s has no container after it", service.Name), said.last())
		}
	}
	orphans := []string{}
	for _, c := range after {
		if orphan(c, project) {
			o.Output("stackctl: " + c.Name + " is of no service any more")
			orphans = append(orphans, c.ID)
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	return o.podman().Remove(ctx, orphans, stopGrace, o.Environ, o.Output)
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

// mustRecreate says whether the containers have to be made anew. Providers miss
// it: podman-compose 1.0 takes any change for none, and no version looks
// whether an image is a newer one, which is what auto-update restarts the
// unit for.
func (o *Operator) mustRecreate(ctx context.Context, s Stack, definition string, before []podman.Container) (bool, string) {
	record, err := applied.Read(o.Env.StateHome, s.Name)
	switch {
	case err != nil:
		return true, "it is not known what was applied before"
	case record.Definition != definition:
		return true, "the compose files, or files that they name, changed"
	case record.Last.Step == "apply" && record.Last.Status != 0:
		return true, "the last apply failed"
	}
	for _, c := range before {
		if !settled(c.State) {
			return true, fmt.Sprintf("container %s was left %s", c.Name, c.State)
		}
	}
	return o.newImages(ctx, before)
}

func (o *Operator) newImages(ctx context.Context, before []podman.Container) (bool, string) {
	names := []string{}
	for _, c := range before {
		names = append(names, c.Image)
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	ids, err := o.Podman.ImageIDs(limited, names)
	if err != nil {
		return true, "whether there are newer images could not be told: " + err.Error()
	}
	for _, c := range before {
		if id := ids[c.Image]; id != "" && id != c.ImageID {
			return true, fmt.Sprintf("container %s runs an older image than %s", c.Name, c.Image)
		}
	}
	return false, ""
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
