package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/lock"
)

const labelUnit, labelAutoUpdate = "PODMAN_SYSTEMD_UNIT", "io.containers.autoupdate"

// Preflight looks whether the stack can be applied. It changes nothing, and
// tells of everything that is wrong, not only of the first.
func (o *Operator) Preflight(ctx context.Context, s Stack) Report {
	problems, notes := o.examine(ctx, s)
	if ctx.Err() != nil {
		return o.report("preflight", s, ApplyCut, "told to stop")
	}
	if len(problems) == 0 {
		r := o.report("preflight", s, Ready, "ready to be applied")
		r.Details = notes
		return r
	}
	slices.SortStableFunc(problems, worst)
	first := problems[0]
	r := o.failed("preflight", s, first)
	for _, p := range problems[1:] {
		r.Details = append(append(r.Details, p.Message), p.Details...)
	}
	r.Hint = strings.TrimPrefix(first.Hint+"; nothing was changed, see what still runs with: stackctl status "+s.Name, "; ")
	return r
}

func (o *Operator) examine(ctx context.Context, s Stack) (problems []Problem, notes []string) {
	problems = o.files(s)
	project, bad := o.project(ctx, s)
	if bad != nil {
		if slices.ContainsFunc(problems, func(p Problem) bool { return p.Outcome == BadEnv }) {
			bad.Outcome = BadEnv // what its file leaves unset makes compose files invalid
		}
		problems = append(problems, *bad)
	} else {
		problems = slices.Concat(problems, o.filesOf(project, s), labels(project, s))
		notes = append(unset(project), project.Warnings...)
		if s.Registries {
			problems = append(problems, o.registries(ctx, project)...)
		}
	}
	s, missing := o.chosen(ctx, s, project)
	if missing != nil {
		problems = append(problems, *missing)
	}
	silent := o.podmanAnswers(ctx)
	for _, p := range []*Problem{silent, o.provides(ctx, s, project), o.unlocked(s)} {
		if p != nil {
			problems = append(problems, *p)
		}
	}
	if bad == nil && silent == nil && missing == nil {
		foreseen, err := o.foresee(ctx, s, project)
		if err != nil && len(problems) == 0 {
			problems = append(problems, Problem{Outcome: NoPodman, Message: "what an apply would do cannot be found out", Details: lines(err), Hint: "try: podman ps"})
		}
		problems = append(problems, foreseen...)
	}
	return problems, notes
}

// foresee makes the plan of an apply, and says what would go wrong with it.
func (o *Operator) foresee(ctx context.Context, s Stack, project *compose.Project) ([]Problem, error) {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := o.newPlan(limited, s, project)
	if err != nil {
		return nil, err
	}
	return o.risks(limited, s, p), nil
}

// labels: podman auto-update restarts the unit that this label names. Apply
// sets it by itself where a service says nothing.
func labels(project *compose.Project, s Stack) (problems []Problem) {
	for _, service := range project.Services {
		named, has := service.Labels[labelUnit]
		if !autoUpdated(service) || !has || named == s.Unit {
			continue
		}
		problems = append(problems, Problem{
			Outcome: BadLabel,
			Message: fmt.Sprintf("service %s is auto-updated and its label %s names %q, not %s", service.Name, labelUnit, named, s.Unit),
			Hint:    "take the label out of the compose file: apply sets it to " + s.Unit,
		})
	}
	return problems
}

func unset(project *compose.Project) []string {
	if len(project.Unset) == 0 {
		return nil
	}
	return []string{"variables that nothing sets count as empty: " + strings.Join(slices.Sorted(slices.Values(project.Unset)), ", ")}
}

func (o *Operator) podmanAnswers(ctx context.Context) *Problem {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	listing, err := o.Podman.Containers(limited)
	switch {
	case err != nil:
		return &Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}
	case !listing.Present:
		return &Problem{Outcome: NoPodman, Message: "podman is not installed, or not in this unit's PATH", Hint: "install podman"}
	}
	return nil
}

func (o *Operator) provides(ctx context.Context, s Stack, project *compose.Project) *Problem {
	_, p := o.provider(ctx, s, project)
	return p
}

// chosen is the stack with the provider that applies it. The engine's containers
// are made over podman's API, and podman 4.3 and 5.4 cannot auto-update those ("raw-image
// name is empty"): a stack with an auto-updated service is applied by the compose
// command that is installed.
func (o *Operator) chosen(ctx context.Context, s Stack, project *compose.Project) (Stack, *Problem) {
	if project == nil || len(s.Provider) > 0 || !slices.ContainsFunc(project.Services, autoUpdated) {
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

// provider finds the one that runs the project's files, where it can.
func (o *Operator) provider(ctx context.Context, s Stack, project *compose.Project) (compose.Provider, *Problem) {
	if len(s.Provider) == 0 {
		return compose.Provider{}, nil // the engine
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := compose.Find(limited, s.Provider, nil)
	if err != nil {
		hint := fmt.Sprintf("see stacks.%s.provider in config.yaml, or leave it out", s.Name)
		return p, &Problem{Outcome: NoProvider, Message: "no compose provider", Details: lines(err), Hint: hint}
	}
	if project == nil || len(project.Inactive)+len(project.Profiles) == 0 {
		return p, nil
	}
	if version, err := p.Version(limited); err == nil && strings.HasPrefix(version, oldest) {
		return p, &Problem{
			Outcome: NoProvider, Message: version + " knows no profiles, and would start every service",
			Hint: "install a newer one, or take the profiles out of the compose files",
		}
	}
	return p, nil
}

func (o *Operator) unlocked(s Stack) *Problem {
	return o.locked(s, lock.Free(o.lockPath(s)))
}

func (o *Operator) locked(s Stack, err error) *Problem {
	var held *lock.HeldError
	switch {
	case errors.As(err, &held):
		return &Problem{
			Outcome: Locked, Message: fmt.Sprintf("another apply of %s is running: %s", s.Name, held.Holder),
			Hint: "wait until it is done, or look at it with ps",
		}
	case err != nil:
		return &Problem{
			Outcome: Locked, Message: "whether another apply is running cannot be told", Details: lines(err),
			Hint: "the lock stands below $XDG_RUNTIME_DIR, which has to be the user's own folder",
		}
	}
	return nil
}

// registriesOf names the registries that the services' images come from: what
// stands before the first slash, where that is a host.
func registriesOf(project *compose.Project) []string {
	hosts := map[string]bool{}
	for _, s := range project.Services {
		if s.Build != nil {
			continue
		}
		host, _, has := strings.Cut(s.Image, "/")
		switch {
		case !has || !strings.ContainsAny(host, ".:") && host != "localhost":
			host = "docker.io"
		case host == "localhost":
			continue // podman's own name for what was built here
		}
		hosts[host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}
