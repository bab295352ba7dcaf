package stack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// labelDefinition is on every container that stackctl makes: a digest over all
// that decides what the container is, but for its image.
const labelDefinition = applied.LabelDefinition

// plan is what an apply has to do, found by comparing the containers that there
// are with what the compose files say. No record is needed for it.
type plan struct {
	project  *compose.Project
	model    compose.Model
	services []planned
	orphans  []podman.Details  // containers of services that the compose files no longer have
	images   map[string]string // id by name, of those that are here
}

// planned is one service.
type planned struct {
	compose.Service
	definition string
	containers []podman.Details
	replace    string // why its containers have to be replaced; "" when they may stay
	done       bool   // a one-shot that need not run again
}

// newPlan compares. Images that are missing are no error: there are preflights
// before the pull.
func (o *Operator) newPlan(ctx context.Context, s Stack, project *compose.Project) (*plan, error) {
	p := &plan{project: project}
	definitions, err := p.resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	containers, err := o.details(ctx, s)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, service := range project.Services {
		names = append(names, service.Image)
	}
	if p.images, err = o.Podman.ImageIDs(ctx, names); err != nil {
		return nil, err
	}
	for _, service := range project.Services {
		one := planned{Service: service, definition: definitions[service.Name]}
		one.containers = slices.Clone(containers)
		one.containers = slices.DeleteFunc(one.containers, func(c podman.Details) bool { return c.Labels[labelService] != service.Name })
		one.replace = one.difference(p.images, len(s.Provider) == 0)
		p.services = append(p.services, one)
	}
	for _, c := range containers {
		if orphan(c.Container, project) {
			p.orphans = append(p.orphans, c)
		}
	}
	p.cascade()
	p.finish()
	return p, nil
}

// resolve makes the model, labels it, and returns each service's definition.
func (p *plan) resolve(ctx context.Context, s Stack) (definitions map[string]string, err error) {
	if p.model, err = p.project.Model(); err != nil {
		return nil, err
	}
	definitions = map[string]string{}
	for name, paths := range secretsOf(p.model, s) {
		p.model.Label(name, labelUnit, s.Unit)
		secrets, err := collect.Digests(ctx, "secret", paths)
		if err != nil {
			return nil, err
		}
		hash, err := engine.Hash(p.model.Services[name])
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		fmt.Fprintln(sum, hash)
		for _, f := range secrets {
			fmt.Fprintln(sum, f.Path, f.Digest)
		}
		definitions[name] = hex.EncodeToString(sum.Sum(nil))
		p.model.Label(name, labelDefinition, definitions[name])
	}
	return definitions, nil
}

// secretsOf are the files of secrets by service: those that the compose files
// give it, and those of the configuration that it mounts. One that no service
// mounts may be used by any.
func secretsOf(model compose.Model, s Stack) map[string][]string {
	of, used := map[string][]string{}, map[string]bool{}
	for name, service := range model.Services {
		paths := []string{}
		for _, x := range service.Secrets {
			paths = append(paths, model.Secrets[x.Source].File)
		}
		for _, x := range service.Configs {
			paths = append(paths, model.Configs[x.Source].File)
		}
		for _, v := range service.Volumes {
			if slices.ContainsFunc(s.Secrets, func(f config.File) bool { return f.Path == v.Source }) {
				paths = append(paths, v.Source)
			}
		}
		of[name] = slices.DeleteFunc(paths, func(path string) bool { return path == "" })
		for _, path := range of[name] {
			used[path] = true
		}
	}
	for name := range of {
		for _, f := range s.Secrets {
			if !used[f.Path] {
				of[name] = append(of[name], f.Path)
			}
		}
		slices.Sort(of[name])
		of[name] = slices.Compact(of[name])
	}
	return of
}

// difference says why the containers of a service have to be replaced.
func (p planned) difference(images map[string]string, own bool) string {
	for _, c := range p.containers {
		label, known := c.Labels[labelDefinition]
		switch id := images[p.Image]; {
		case own && !engine.IsOwn(c.Labels), !own && engine.IsMade(c.Labels):
			return c.Name + " was made by another compose provider"
		case !known:
			return c.Name + " was not made by stackctl"
		case label != p.definition:
			return c.Name + " is of another definition than the compose files are now"
		case id != "" && id != c.ImageID:
			return fmt.Sprintf("%s runs an older image than %s", c.Name, p.Image)
		case !own && !settled(c.State):
			return fmt.Sprintf("%s was left %s", c.Name, c.State)
		}
	}
	return ""
}

// cascade adds the services whose containers share something of a container that
// is replaced: they would keep what is gone.
func (p *plan) cascade() {
	for changed := true; changed; {
		changed = false
		for i := range p.services {
			s := &p.services[i]
			if s.replace != "" || len(s.containers) == 0 {
				continue
			}
			for _, parent := range p.shares(s.Name) {
				if of := p.service(parent); of != nil && of.replace != "" && len(of.containers) > 0 {
					s.replace, changed = "it shares something with "+parent+", which is replaced", true
				}
			}
		}
	}
}

// shares names the services whose namespaces or volumes a service uses.
func (p *plan) shares(name string) (parents []string) {
	s := p.model.Services[name]
	for _, mode := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if parent, ok := strings.CutPrefix(mode, "service:"); ok {
			parents = append(parents, parent)
		}
	}
	for _, from := range s.VolumesFrom {
		parent, _, _ := strings.Cut(from, ":")
		parents = append(parents, parent)
	}
	return parents
}

// finish finds the one-shots that need not run again: they have succeeded, and
// neither they nor what they depend on is replaced or missing.
func (p *plan) finish() {
	for i := range p.services {
		s := &p.services[i]
		s.done = s.OneShot && s.succeeded() && !slices.ContainsFunc(s.DependsOn, func(name string) bool {
			of := p.service(name)
			return of != nil && (of.replace != "" || len(of.containers) == 0)
		})
	}
}

func (p planned) succeeded() bool {
	return p.replace == "" && len(p.containers) == p.Replicas && !slices.ContainsFunc(p.containers, func(c podman.Details) bool {
		return c.State != "exited" || c.ExitCode != 0
	})
}

func (p *plan) service(name string) *planned {
	i := slices.IndexFunc(p.services, func(s planned) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.services[i]
}

// replaced are the containers that go, orphans included, by name.
func (p *plan) replaced() []podman.Details {
	gone := slices.Clone(p.orphans)
	for _, s := range p.services {
		if s.replace != "" {
			gone = append(gone, s.containers...)
		}
	}
	slices.SortFunc(gone, func(a, b podman.Details) int { return cmp.Compare(a.Name, b.Name) })
	return gone
}

// names of the services for which a condition holds.
func (p *plan) names(holds func(planned) bool) (names []string) {
	for _, s := range p.services {
		if holds(s) {
			names = append(names, s.Name)
		}
	}
	return names
}

// why says what is replaced and for what reason, a line each.
func (p *plan) why() (lines []string) {
	for _, s := range p.services {
		if s.replace != "" {
			lines = append(lines, fmt.Sprintf("service %s is replaced: %s", s.Name, s.replace))
		}
	}
	for _, c := range p.orphans {
		lines = append(lines, c.Name+" is removed: the compose files no longer have service "+c.Labels[labelService])
	}
	return lines
}

// details are the containers of the stack's project.
func (o *Operator) details(ctx context.Context, s Stack) ([]podman.Details, error) {
	containers, err := o.containers(ctx, s)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, c := range containers {
		if !c.Infra {
			ids = append(ids, c.ID)
		}
	}
	return o.Podman.Details(ctx, ids)
}

// prove compares again after an apply: every container has to be of this
// definition. What it returns names the container and the reason.
func (o *Operator) prove(ctx context.Context, s Stack, project *compose.Project) error {
	p, err := o.newPlan(ctx, s, project)
	if err != nil {
		return fmt.Errorf("whether the containers are of this definition could not be found out: %w", err)
	}
	var errs []error
	for _, one := range p.services {
		switch {
		case one.replace != "":
			errs = append(errs, fmt.Errorf("service %s was not replaced: %s", one.Name, one.replace))
		case len(one.containers) != one.Replicas:
			errs = append(errs, fmt.Errorf("service %s has %d containers, want %d", one.Name, len(one.containers), one.Replicas))
		}
	}
	for _, c := range p.orphans {
		errs = append(errs, fmt.Errorf("%s of service %s is still there", c.Name, c.Labels[labelService]))
	}
	if len(errs) > 0 {
		errs = append(errs, o.holders(ctx, p.replaced())...)
	}
	return errors.Join(errs...)
}

// holders are errors that name the containers for whose sake podman refuses to
// remove others.
func (o *Operator) holders(ctx context.Context, held []podman.Details) (errs []error) {
	if len(held) == 0 {
		return nil
	}
	listing, err := o.Podman.Containers(ctx)
	if err != nil {
		return []error{err}
	}
	ids, names := []string{}, map[string]string{}
	for _, c := range listing.Containers {
		ids = append(ids, c.ID)
	}
	for _, c := range held {
		names[c.ID] = c.Name
	}
	all, err := o.Podman.Details(ctx, ids)
	if err != nil {
		return []error{err}
	}
	project := held[0].Labels[labelProject]
	for _, c := range all {
		for _, id := range c.Needs {
			if names[id] != "" && c.Labels[labelProject] != project && !c.Infra {
				errs = append(errs, fmt.Errorf("container %s holds %s: podman removes no container that another one uses", c.Name, names[id]))
			}
		}
	}
	return errs
}
