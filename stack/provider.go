package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// oldest is the podman-compose that has no pods.
const oldest = "podman-compose 1.0."

// withProvider returns the stack with the provider that applies it. The engine's
// containers are made over podman's API, and podman 4.3 and 5.4 cannot
// auto-update those ("raw-image name is empty"): a stack with an auto-updated
// service is applied by the compose command that is installed.
func (s Stack) withProvider(ctx context.Context, project *compose.Project) (Stack, *Problem) {
	if project == nil || len(s.Provider) > 0 || !slices.ContainsFunc(project.Services, isAutoUpdated) {
		return s, nil
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := compose.Find(limited, nil, nil)
	if err != nil {
		return s, &Problem{
			Outcome: NoProvider, Message: "auto-updated services need a compose provider", Details: lines(err), Hint: "install podman-compose",
		}
	}
	s.Provider = p.Argv
	return s, nil
}

// findProvider finds the stack's provider. The zero Provider is the engine.
func (s Stack) findProvider(ctx context.Context) (compose.Provider, *Problem) {
	if len(s.Provider) == 0 {
		return compose.Provider{}, nil
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := compose.Find(limited, s.Provider, nil)
	if err != nil {
		hint := fmt.Sprintf("see stacks.%s.provider in config.yaml, or leave it out", s.Name)
		return p, &Problem{Outcome: NoProvider, Message: "no compose provider", Details: lines(err), Hint: hint}
	}
	return p, nil
}

// needsNoPod reports whether the provider must be kept from making a pod:
// podman-compose puts containers into a pod without an infra container, and one
// auto-updated container in such a pod makes podman auto-update fail for every
// container of the user (measured with podman 5.4: "pod has no infra
// container"). Nor can a container of a pod have users of its own ("--userns and --pod
// cannot be set together").
func needsNoPod(ctx context.Context, provider compose.Provider, project *compose.Project, model compose.Model) bool {
	if !slices.ContainsFunc(project.Services, isAutoUpdated) && !model.HasOwnUsers() {
		return false
	}
	version, err := provider.Version(ctx)
	return err == nil && strings.HasPrefix(version, "podman-compose ") && !strings.HasPrefix(version, oldest)
}

func isAutoUpdated(s compose.Service) bool {
	policy := s.Labels[podman.LabelAutoUpdate]
	return policy != "" && policy != "disabled"
}
