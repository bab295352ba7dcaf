package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"stackpolicy/internal/podman"
)

// losses returns the anonymous volumes that an apply would leave behind: the
// container that comes after would begin with an empty one. Podman keeps the
// volume itself, until somebody prunes.
func (p *plan) losses(ctx context.Context, s Stack, client podman.Client) (problems []Problem) {
	for _, c := range p.orphans {
		mounts := slices.DeleteFunc(slices.Clone(c.Mounts), p.isNamedAnywhere)
		problems = append(problems, s.left(c, p.counted(mounts), "the service is gone from the compose files")...)
	}
	own := len(s.Provider) == 0
	if !own && len(p.removed()) == 0 {
		return problems
	}
	for _, one := range p.services {
		if own && one.replace == "" || len(one.containers) == 0 {
			continue // a provider that is a program replaces all when it replaces one
		}
		kept, err := one.volumes(ctx, client)
		if err != nil {
			return append(problems, Problem{Outcome: NoPodman, Message: "what is in volumes cannot be found out", Details: lines(err)})
		}
		reason := "its new container has something else there"
		if !own {
			kept, reason = nil, "the configured compose provider gives a new container empty volumes"
		}
		for _, c := range one.containers {
			problems = append(problems, s.left(c, p.counted(p.uncarried(one, c.Mounts, kept)), reason)...)
		}
	}
	return problems
}

// counted leaves out the volumes that only containers have which are rolled back:
// the data of before is not in them, and podman keeps them.
func (p *plan) counted(mounts []podman.Mount) []podman.Mount {
	if p.older == nil {
		return mounts
	}
	return slices.DeleteFunc(slices.Clone(mounts), func(m podman.Mount) bool { return !slices.Contains(p.older, m.Name) })
}

// volumes returns the paths at which the service's image asks for a volume, never
// nil. An image that is not there yet may ask for one wherever its containers have one: the
// apply fetches it and then compares again.
func (p planned) volumes(ctx context.Context, client podman.Client) (paths []string, err error) {
	paths = []string{}
	if p.image != "" {
		asked, err := client.ImageVolumes(ctx, p.Image)
		return append(paths, asked...), err
	}
	for _, c := range p.containers {
		for _, m := range c.Mounts {
			paths = append(paths, m.Target)
		}
	}
	return paths, nil
}

// uncarried returns the mounts of a container that its successor does not get.
// The image asks for a volume at the paths of kept; nil means that nothing is
// carried over.
func (p *plan) uncarried(one planned, mounts []podman.Mount, kept []string) (gone []podman.Mount) {
	for _, m := range mounts {
		taken := slices.ContainsFunc(one.Targets, func(t string) bool { return path.Clean(t) == m.Target })
		switch {
		case p.isNamed(one.Name, m):
		case !taken && slices.Contains(kept, m.Target):
		case !taken && kept != nil && p.asksFor(one.Name, m.Target):
		default:
			gone = append(gone, m)
		}
	}
	return gone
}

// isNamed reports whether the compose files now call the volume by its name.
func (p *plan) isNamed(service string, m podman.Mount) bool {
	for _, v := range p.model.Services[service].Volumes {
		if path.Clean(v.Target) == m.Target && p.model.Volumes[v.Source].Name == m.Name {
			return true
		}
	}
	return false
}

// isNamedAnywhere reports whether the compose files now call the volume by its
// name, for any service.
func (p *plan) isNamedAnywhere(m podman.Mount) bool {
	for _, v := range p.model.Volumes {
		if v.Name == m.Name {
			return true
		}
	}
	return false
}

// asksFor reports whether the compose files ask for an anonymous volume there.
func (p *plan) asksFor(service, target string) bool {
	for _, v := range p.model.Services[service].Volumes {
		if path.Clean(v.Target) == target && v.Type == "volume" && v.Source == "" {
			return true
		}
	}
	return false
}

// left returns a problem for each volume that has something in it.
func (s Stack) left(c podman.Details, mounts []podman.Mount, reason string) (problems []Problem) {
	service := c.Labels[podman.LabelService]
	if slices.Contains(s.Discard, service) {
		return nil
	}
	for _, m := range mounts {
		if !m.IsAnonymous() || isEmpty(m.Source) {
			continue
		}
		problems = append(problems, Problem{
			Outcome: WouldLose,
			Message: fmt.Sprintf("service %s would lose what is in its volume at %s: %s", service, m.Target, reason),
			Details: []string{"container " + c.Name + ", podman volume " + m.Name},
			Hint: fmt.Sprintf("keep it by its name: in the compose file write \"data:%s\" under the service's volumes, and \"data: {external: true, name: %s}\" under volumes; or give it up: discard_volumes: [%s] below stacks.%s in config.yaml",
				m.Target, m.Name, service, s.Name),
		})
	}
	return problems
}

// isEmpty reports whether a folder is empty. One that cannot be read counts as
// full.
func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	return len(names) == 0 && errors.Is(err, io.EOF)
}
