package stack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// compare makes the plan of an apply. Images that are missing are no error: a
// preflight comes before the pull.
func compare(ctx context.Context, pods projectPodman, s Stack, project *compose.Project) (*plan, error) {
	p := &plan{project: project}
	model, definitions, err := resolve(ctx, s, project)
	if err != nil {
		return nil, err
	}
	p.model = model
	containers, err := pods.details(ctx)
	if err != nil {
		return nil, err
	}
	images, err := pods.client.ImageIDs(ctx, imagesOf(project))
	if err != nil {
		return nil, err
	}
	containers, p.leftovers = apart(containers)
	given := ""
	if len(s.Provider) > 0 {
		if given, err = model.Given(); err != nil {
			return nil, err
		}
	}
	for _, service := range project.Services {
		one := planned{Service: service, definition: definitions[service.Name], image: images[service.Image]}
		one.containers = slices.Clone(containers)
		one.containers = slices.DeleteFunc(one.containers, func(c podman.Details) bool { return c.Labels[podman.LabelService] != service.Name })
		one.replace = one.difference(one.image, len(s.Provider) == 0)
		one.replace = cmp.Or(one.replace, one.otherwiseGiven(given))
		p.services = append(p.services, one)
	}
	for _, c := range containers {
		if isOrphan(c.Container, project) {
			p.orphans = append(p.orphans, c)
		}
	}
	p.cascade()
	p.finish()
	return p, nil
}

// apart separates the containers that a killed apply made and did not yet put in
// the place of others: those others are still there, and these have a name that
// begins with the other's id, and never ran. The engine would take them for more of
// the service, stop the one that runs, and fail at the name.
func apart(all []podman.Details) (containers, leftovers []podman.Details) {
	for _, c := range all {
		id, _, _ := strings.Cut(c.Name, "_")
		isFor := func(x podman.Details) bool { return x.ID != c.ID && len(id) == 12 && strings.HasPrefix(x.ID, id) }
		if slices.Contains(neverRan, c.State) && slices.ContainsFunc(all, isFor) {
			leftovers = append(leftovers, c)
		} else {
			containers = append(containers, c)
		}
	}
	return containers, leftovers
}

// neverRan are the states of a container that was made and not started.
var neverRan = []string{"created", "configured", "initialized"}

// imagesOf names the images of the services, in their order.
func imagesOf(project *compose.Project) (names []string) {
	for _, service := range project.Services {
		names = append(names, service.Image)
	}
	return names
}

// isOrphan reports whether a container is of a service that the compose files no
// longer have, in any profile.
func isOrphan(c podman.Container, project *compose.Project) bool {
	service := c.Labels[podman.LabelService]
	known := slices.ContainsFunc(project.Services, func(s compose.Service) bool { return s.Name == service })
	return service != "" && !known && !slices.Contains(project.Inactive, service)
}

// difference says why the containers of a service have to be replaced. The image
// is the id that the service's image name means now, "" when it means none; own
// says that the engine applies the stack.
func (p planned) difference(image string, own bool) string {
	for _, c := range p.containers {
		label, known := c.Labels[applied.LabelDefinition]
		switch {
		case own && !engine.IsOwn(c.Labels), !own && engine.IsMade(c.Labels):
			return c.Name + " was made by another compose provider"
		case !known:
			return c.Name + " was not made by stackctl"
		case label != p.definition:
			return c.Name + " is of another definition than the compose files are now"
		case image != "" && image != c.ImageID:
			return fmt.Sprintf("%s runs an older image than %s", c.Name, p.Image)
		case !own && !isStartable(c.State):
			return fmt.Sprintf("%s was left %s", c.Name, c.State)
		}
	}
	return ""
}

// otherwiseGiven says why podman-compose replaces the containers of a service that are right:
// since 1.1 it replaces all when anything in its file has changed, such as a network's label.
// given is the digest of the file that it gets now; "" when it does not apply the stack.
func (p planned) otherwiseGiven(given string) string {
	for _, c := range p.containers {
		// 1.0 writes a constant
		if hash := c.Labels[podman.LabelHashOwn]; given != "" && len(hash) == sha256.Size*2 && c.Labels[applied.LabelGiven] != given {
			return "podman-compose replaces " + c.Name + ", as it gets another file than before"
		}
	}
	return ""
}

// isStartable reports whether a provider that starts the container finds it as
// it should be.
func isStartable(state string) bool {
	return slices.Contains([]string{"running", "exited", "stopped", "paused"}, state)
}

// prove compares again after an apply: every container has to be of this
// definition. It returns the services with what their containers are made of. The
// error names each container that is not right, and the reason.
func prove(ctx context.Context, pods projectPodman, s Stack, project *compose.Project) ([]applied.Service, error) {
	p, err := compare(ctx, pods, s, project)
	if err != nil {
		return nil, fmt.Errorf("whether the containers are of this definition could not be found out: %w", err)
	}
	if errs := p.left(); len(errs) > 0 {
		return nil, errors.Join(append(errs, pods.holders(ctx, p.removed())...)...)
	}
	return p.made(), nil
}

// left returns an error for each service and container that an apply would still
// have to change.
func (p *plan) left() (errs []error) {
	for _, one := range p.services {
		switch {
		case one.replace != "":
			errs = append(errs, fmt.Errorf("service %s was not replaced: %s", one.Name, one.replace))
		case len(one.containers) != one.Replicas:
			errs = append(errs, fmt.Errorf("service %s has %d containers, want %d", one.Name, len(one.containers), one.Replicas))
		}
	}
	for _, c := range p.leftovers {
		errs = append(errs, fmt.Errorf("%s, which a killed apply left, is still there", c.Name))
	}
	for _, c := range p.orphans {
		errs = append(errs, fmt.Errorf("%s of service %s is still there", c.Name, c.Labels[podman.LabelService]))
	}
	return errs
}

// made returns the services with what their containers are made of.
func (p *plan) made() []applied.Service {
	out := services(p.project)
	for i, s := range p.services {
		out[i].Definition = s.definition
		if len(s.containers) > 0 {
			out[i].ImageID = s.containers[0].ImageID
		}
	}
	return out
}
