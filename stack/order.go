package stack

import (
	"slices"
	"time"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Grace periods where no other is known. A container of another provider does not
// have its own, and the compose file may no longer have the service: a long one
// costs time only when the container ends on SIGKILL.
const (
	usualGrace   = 10 * time.Second
	foreignGrace = time.Minute
)

// stopOrder puts services into groups: those of a group may be stopped at once,
// and nothing in it is needed by a service of a later group.
func stopOrder(services []compose.Service) (groups [][]string) {
	left := slices.Clone(services)
	for len(left) > 0 {
		needed := map[string]bool{}
		for _, s := range left {
			for _, name := range s.DependsOn {
				needed[name] = true
			}
		}
		group := []string{}
		left = slices.DeleteFunc(left, func(s compose.Service) bool {
			if needed[s.Name] {
				return false
			}
			group = append(group, s.Name)
			return true
		})
		if len(group) == 0 { // a circle, which compose files do not have
			for _, s := range left {
				group = append(group, s.Name)
			}
			left = nil
		}
		groups = append(groups, group)
	}
	return groups
}

// graceOf is how long a container may take to end: what it was made with, or
// what its service says now, whichever is longer.
func graceOf(c podman.Details, services []compose.Service, own bool) time.Duration {
	grace := max(time.Duration(c.Grace)*time.Second, usualGrace)
	i := slices.IndexFunc(services, func(s compose.Service) bool { return s.Name == c.Labels[podman.LabelService] })
	switch {
	case i >= 0 && services[i].Grace > 0:
		return max(grace, services[i].Grace)
	case i < 0 && !own:
		return max(grace, foreignGrace)
	}
	return grace
}
