package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// plan is what an apply has to do, found by comparing the existing containers
// with what the compose files say ([compare]). No record is needed for it.
type plan struct {
	project   *compose.Project
	model     compose.Model
	services  []planned
	orphans   []podman.Details // containers of services that the compose files no longer have
	leftovers []podman.Details // containers that a killed apply made and never started ([apart])
	older     []string         // where not nil, only these anonymous volumes count as data
}

// planned is one service.
type planned struct {
	compose.Service
	definition string
	image      string // id of the image that its name means now; "" before it is fetched
	containers []podman.Details
	replace    string // why its containers have to be replaced; "" when they may stay
	done       bool   // a one-shot that need not run again
}

func (p *plan) service(name string) *planned {
	i := slices.IndexFunc(p.services, func(s planned) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.services[i]
}

// cascade adds the services whose containers share something of a container that
// is replaced: they would keep what no longer exists.
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
		s.done = s.OneShot && s.hasSucceeded() && !slices.ContainsFunc(s.DependsOn, func(name string) bool {
			of := p.service(name)
			return of != nil && (of.replace != "" || len(of.containers) == 0)
		})
	}
}

func (p planned) hasSucceeded() bool {
	return p.replace == "" && len(p.containers) == p.Replicas && !slices.ContainsFunc(p.containers, func(c podman.Details) bool {
		return c.State != "exited" || c.ExitCode != 0
	})
}

func (p planned) isReplaced() bool { return p.replace != "" }

// removed are the containers that the apply removes, orphans included, by name.
func (p *plan) removed() []podman.Details {
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

// reasons says what is replaced and why, a line each.
func (p *plan) reasons() (lines []string) {
	for _, s := range p.services {
		if s.replace != "" {
			lines = append(lines, fmt.Sprintf("service %s is replaced: %s", s.Name, s.replace))
		}
	}
	for _, c := range p.orphans {
		lines = append(lines, c.Name+" is removed: the compose files no longer have service "+c.Labels[podman.LabelService])
	}
	return lines
}

// usesHyphens reports whether the existing containers have the names that
// Docker Compose gives; podman-compose and stackctl write underscores.
func (p *plan) usesHyphens() bool {
	for _, s := range p.services {
		for _, c := range s.containers {
			if strings.HasPrefix(c.Name, p.project.Name+"-"+s.Name+"-") {
				return true
			}
		}
	}
	return false
}
