package collect

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/unitfile"
)

// maxCompose bounds a compose file, as internal/compose does.
const maxCompose = 1 << 20

// servicesOf reads which services the compose files of a stack declare now, for a stack
// that stackctl has no record of. If they need more than [readCompose] understands, no
// service is recorded: then the containers that exist are judged alone.
func servicesOf(ctx context.Context, stack config.Stack, store string, u *facts.Unit) error {
	pending := func(f facts.File) bool { return f.State == facts.StatePending }
	if slices.ContainsFunc(u.Files, pending) {
		return nil // pending: the compose file is of the generation to come as well
	}
	files, understood := readCompose(stack.Compose)
	if !understood {
		return nil
	}
	var starts started
	if u.Loaded != nil {
		starts = started{u.Loaded.StartsServices, u.Loaded.StartsAlone}
	}
	u.Services, u.ServicesFrom = files.started(starts), facts.ServicesFromFiles
	for _, path := range stack.Compose {
		changed, err := changedSinceStart(ctx, path, store, u)
		if err != nil {
			return err
		}
		if changed {
			u.ServicesFrom = facts.ServicesFromChangedFiles
		}
	}
	return nil
}

// composeFile is what decides which containers there should be.
type composeFile struct {
	Include  yaml.Node                 `yaml:"include"`
	Services map[string]composeService `yaml:"services"`
}

type composeService struct {
	Extends  yaml.Node `yaml:"extends"`
	Profiles []string  `yaml:"profiles"`
	Restart  string    `yaml:"restart"`
	Scale    *int      `yaml:"scale"`
	Deploy   struct {
		Replicas *int `yaml:"replicas"`
	} `yaml:"deploy"`
	DependsOn   yaml.Node `yaml:"depends_on"`
	HealthCheck *struct {
		Disable bool `yaml:"disable"`
	} `yaml:"healthcheck"`

	dependencies map[string]string // conditions by service, of all files
}

// composeServices are the services of a stack's compose files, by name.
type composeServices map[string]composeService

// readCompose reads the services of compose files, a later one over those before it. It is
// not the compose library, which would make every start of stackpolicy a fifth slower
// (measured): a file that includes or extends others, that resets what an earlier one says,
// or that has a variable where it matters, is not understood.
func readCompose(paths []string) (all composeServices, understood bool) {
	all = composeServices{}
	for i, path := range paths {
		content, err := regularfile.Read(path, maxCompose)
		if err != nil {
			return nil, false
		}
		if i > 0 && (bytes.Contains(content, []byte("!reset")) || bytes.Contains(content, []byte("!override"))) {
			return nil, false
		}
		var file composeFile
		if err := yaml.Unmarshal(content, &file); err != nil || !file.Include.IsZero() {
			return nil, false
		}
		for name, s := range file.Services {
			if !s.Extends.IsZero() || strings.Contains(s.Restart, "$") {
				return nil, false
			}
			all[name] = all[name].with(s)
		}
	}
	return all, true
}

// with returns the service as a later file changes it.
func (s composeService) with(later composeService) composeService {
	s.Profiles = append(s.Profiles, later.Profiles...)
	if later.Restart != "" {
		s.Restart = later.Restart
	}
	if later.Scale != nil {
		s.Scale = later.Scale
	}
	if later.Deploy.Replicas != nil {
		s.Deploy.Replicas = later.Deploy.Replicas
	}
	if later.HealthCheck != nil {
		s.HealthCheck = later.HealthCheck
	}
	s.dependencies = maps.Clone(s.dependencies)
	if s.dependencies == nil {
		s.dependencies = map[string]string{}
	}
	maps.Copy(s.dependencies, later.declaredDependencies())
	return s
}

// started returns the services that a unit starts, by name: all, or those that it names with
// what they depend on. A service with a profile is left out, because the profile may not be
// enabled, unless the unit names it.
func (c composeServices) started(by started) []facts.Service {
	wanted := map[string]bool{}
	for _, name := range by.services {
		c.want(name, wanted, !by.alone)
	}
	awaited := map[string]bool{}
	for _, s := range c {
		for name, condition := range s.dependencies {
			awaited[name] = awaited[name] || condition == "service_completed_successfully"
		}
	}
	services := []facts.Service{}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		s := c[name]
		if by.services == nil && len(s.Profiles) == 0 || wanted[name] {
			services = append(services, facts.Service{
				Name: name, Containers: s.replicas(), OneShot: s.Restart == "no" || awaited[name],
				HealthCheck: s.HealthCheck != nil && !s.HealthCheck.Disable,
			})
		}
	}
	return services
}

// want adds a service, and those that it depends on.
func (c composeServices) want(name string, wanted map[string]bool, dependencies bool) {
	if wanted[name] {
		return
	}
	wanted[name] = true
	for other := range c[name].dependencies {
		if dependencies {
			c.want(other, wanted, dependencies)
		}
	}
}

func (s composeService) replicas() int {
	switch {
	case s.Scale != nil:
		return *s.Scale
	case s.Deploy.Replicas != nil:
		return *s.Deploy.Replicas
	}
	return 1
}

// declaredDependencies returns the conditions of depends_on, by service. The short form, a
// list, has none.
func (s composeService) declaredDependencies() map[string]string {
	found := map[string]string{}
	var names []string
	if s.DependsOn.Kind == yaml.SequenceNode && s.DependsOn.Decode(&names) == nil {
		for _, name := range names {
			found[name] = ""
		}
	}
	var conditions map[string]struct {
		Condition string `yaml:"condition"`
	}
	if s.DependsOn.Kind == yaml.MappingNode && s.DependsOn.Decode(&conditions) == nil {
		for name, c := range conditions {
			found[name] = c.Condition
		}
	}
	return found
}

// changedSinceStart reports whether the file may have been changed, or its link moved,
// after the unit became active: what it declares may not be applied yet.
func changedSinceStart(ctx context.Context, path, store string, u *facts.Unit) (bool, error) {
	if u.Loaded == nil || u.Loaded.ActiveSince == nil {
		return true, nil
	}
	f, err := unitfile.Stat(ctx, path, store)
	return f.Changed.IsZero() || f.Changed.After(*u.Loaded.ActiveSince), err
}
