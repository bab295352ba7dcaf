package collect

import (
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

// servicesOf reads which services the compose file of a stack declares now, for a stack
// that stackctl has no record of. If the file needs more than [readCompose] understands,
// or several files are merged, no service is recorded: then the containers that exist are
// judged alone.
func servicesOf(ctx context.Context, stack config.Stack, store string, u *facts.Unit) error {
	pending := func(f facts.File) bool { return f.State == facts.StatePending }
	if len(stack.Compose) != 1 || slices.ContainsFunc(u.Files, pending) {
		return nil // pending: the compose file is of the generation to come as well
	}
	services, understood := readCompose(stack.Compose[0])
	if !understood {
		return nil
	}
	u.Services, u.ServicesFrom = services, facts.ServicesFromFiles
	changed, err := changedSinceStart(ctx, stack.Compose[0], store, u)
	if changed {
		u.ServicesFrom = facts.ServicesFromChangedFiles
	}
	return err
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
}

// readCompose reads the services of one compose file, by name. It is not the compose
// library, which would make every start of stackpolicy a fifth slower (measured): a file
// that includes or extends others, or has a variable where it matters, is not understood.
// A service with a profile is left out, because the profile may not be enabled.
func readCompose(path string) (services []facts.Service, understood bool) {
	content, err := regularfile.Read(path, maxCompose)
	if err != nil {
		return nil, false
	}
	var file composeFile
	if err := yaml.Unmarshal(content, &file); err != nil || !file.Include.IsZero() {
		return nil, false
	}
	awaited := map[string]bool{}
	for _, s := range file.Services {
		if !s.Extends.IsZero() || strings.Contains(s.Restart, "$") {
			return nil, false
		}
		maps.Copy(awaited, s.awaits())
	}
	services = []facts.Service{}
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		if s := file.Services[name]; len(s.Profiles) == 0 {
			services = append(services, facts.Service{
				Name: name, Containers: s.replicas(), OneShot: s.Restart == "no" || awaited[name],
				HealthCheck: s.HealthCheck != nil && !s.HealthCheck.Disable,
			})
		}
	}
	return services, true
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

// awaits returns the services whose completion the service waits for. The short form of
// depends_on, a list, has no conditions.
func (s composeService) awaits() map[string]bool {
	var conditions map[string]struct {
		Condition string `yaml:"condition"`
	}
	names := map[string]bool{}
	if s.DependsOn.Kind == yaml.MappingNode && s.DependsOn.Decode(&conditions) == nil {
		for name, c := range conditions {
			if c.Condition == "service_completed_successfully" {
				names[name] = true
			}
		}
	}
	return names
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
