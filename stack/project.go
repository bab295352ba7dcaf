package stack

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
)

const composeLimit = 10 * time.Second

// load reads the stack's compose files.
func (s Stack) load(ctx context.Context, environ []string) (*compose.Project, *Problem) {
	if len(s.Compose) == 0 {
		return nil, &Problem{
			Outcome: Usage, Message: "the configuration names no compose files for this stack",
			Hint: fmt.Sprintf("add them under stacks.%s.compose of config.yaml", s.Name),
		}
	}
	options := compose.Options{Project: s.Project, Files: s.Compose, Environ: environ}
	for _, f := range s.EnvFiles {
		options.EnvFiles = append(options.EnvFiles, f.Path)
	}
	limited, cancel := context.WithTimeout(ctx, composeLimit)
	defer cancel()
	p, err := compose.Load(limited, options)
	if err != nil {
		return nil, &Problem{Outcome: BadCompose, Message: "the compose files cannot be used", Details: lines(err)}
	}
	return p, nil
}

func services(project *compose.Project) []applied.Service {
	out := []applied.Service{}
	for _, s := range project.Services {
		out = append(out, applied.Service{
			Name: s.Name, Containers: s.Replicas, OneShot: s.OneShot, HealthCheck: s.HealthCheck,
		})
	}
	return out
}

// source is files in one role.
type source struct {
	role  string
	paths []string
}

// sources returns all files but the unit's that an apply depends on.
func sources(s Stack, project *compose.Project) []source {
	env, named := []string{}, []string{}
	for _, f := range s.EnvFiles {
		env = append(env, f.Path)
	}
	for _, path := range project.Files {
		if !slices.Contains(s.Compose, path) {
			named = append(named, path)
		}
	}
	for _, f := range project.EnvFiles {
		named = append(named, f.Path)
	}
	slices.Sort(named)
	return []source{{applied.RoleCompose, s.Compose}, {applied.RoleEnv, env}, {applied.RoleNamed, slices.Compact(named)}}
}
