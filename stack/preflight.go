package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Preflight finds out whether the stack can be applied. It changes no container,
// and reports everything that is wrong, not only the first. In a unit a refusal is
// recorded: the start was asked to apply the stack. By hand nobody asked for an
// apply, and while another one runs, that one's outcome counts.
func (o *Operator) Preflight(ctx context.Context, s Stack) Report {
	x := &preflight{
		stateHome: o.Env.StateHome, manager: o.manager(s),
		stack: s, environ: o.Environ, podman: o.projectPodman(s), lock: lockOf(o.Env.RuntimeDir, s), graph: o.graphRoot(),
		account: account{o.Env.UID, o.Env.Name}, registries: registries{o.HTTP},
	}
	x.examine(ctx)
	switch {
	case ctx.Err() != nil && x.manager.isStopping(ctx):
		return s.report("preflight", UnitStopped, "asked to stop")
	case ctx.Err() != nil:
		return s.report("preflight", ApplyCut, "asked to stop")
	}
	r := x.report()
	if o.Invocation == "" || r.Outcome.Status == 0 || r.Outcome == Locked {
		return r
	}
	if err := o.recorder().failed(s, r); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}

// preflight is one examination of a stack.
type preflight struct {
	stack      Stack
	environ    []string
	podman     projectPodman
	lock       applyLock
	graph      string // podman's folder of containers and images
	account    account
	registries registries
	stateHome  string
	manager    unitManager

	problems []Problem
	notes    []string // what is worth knowing, and no problem
}

func (x *preflight) report() Report {
	if len(x.problems) == 0 {
		r := x.stack.report("preflight", Ready, "ready to be applied")
		r.Details = x.notes
		return r
	}
	slices.SortStableFunc(x.problems, byStatus)
	first := x.problems[0]
	r := x.stack.failed("preflight", first)
	for _, p := range x.problems[1:] {
		r.Details = append(append(r.Details, p.Message), p.Details...)
	}
	r.Hint = strings.TrimPrefix(first.Hint+"; nothing was changed, see what still runs with: stackctl status "+x.stack.Name, "; ")
	return r
}

// add appends the problems that are not nil.
func (x *preflight) add(problems ...*Problem) {
	for _, p := range problems {
		if p != nil {
			x.problems = append(x.problems, *p)
		}
	}
}

func (x *preflight) examine(ctx context.Context) {
	project := x.read(ctx)
	s, missing := x.stack.withProvider(ctx, project)
	provider, provides := s.findProvider(ctx)
	silent := x.podman.answers(ctx)
	x.add(missing, silent, provides, x.lock.free())
	if project != nil {
		x.add(x.heldBack(ctx, project))
		x.notes = slices.Concat(x.notes, x.shortStop(ctx, project), x.shortStart(ctx))
	}
	if project != nil && provides == nil {
		x.rehearse(ctx, provider, project)
	}
	if project != nil && silent == nil && missing == nil {
		x.foresee(ctx, s, project)
	}
}

// read checks the files and what they say. It returns nil when the compose files
// cannot be used.
func (x *preflight) read(ctx context.Context) *compose.Project {
	x.problems = x.account.configured(x.stack)
	project, bad := x.stack.load(ctx, x.environ)
	if bad != nil {
		if slices.ContainsFunc(x.problems, func(p Problem) bool { return p.Outcome == BadEnv }) {
			bad.Outcome = BadEnv // variables that its file does not set make compose files invalid
		}
		x.add(bad)
		return nil
	}
	x.problems = slices.Concat(x.problems, x.account.composed(project, x.stack), wrongLabels(project, x.stack))
	x.notes = append(unset(project), project.LeftOut...)
	if x.stack.Registries {
		x.problems = append(x.problems, x.registries.silent(ctx, project)...)
	}
	return project
}

// rehearse adds what the provider cannot do. A model that cannot be made is a problem
// already: an env file is missing.
func (x *preflight) rehearse(ctx context.Context, provider compose.Provider, project *compose.Project) {
	model, err := project.Model()
	if err != nil {
		return
	}
	problems, notes := rehearse(ctx, provider, model, project.Environ, filepath.Dir(x.lock.path))
	x.problems, x.notes = append(x.problems, problems...), append(x.notes, notes...)
}

// foresee makes the plan of an apply, and adds what would go wrong with it.
func (x *preflight) foresee(ctx context.Context, s Stack, project *compose.Project) {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := compare(limited, x.podman, s, project)
	switch {
	case err == nil:
		x.problems = append(x.problems, host{podman: x.podman, plan: p, graph: x.graph}.risks(limited, s)...)
	case len(x.problems) == 0:
		x.add(&Problem{Outcome: NoPodman, Message: "what an apply would do cannot be found out", Details: lines(err), Hint: "try: podman ps"})
	}
}

// wrongLabels returns a problem for each auto-updated service whose label names
// another unit: podman auto-update restarts the unit that it names. Apply sets it
// where a service has none.
func wrongLabels(project *compose.Project, s Stack) (problems []Problem) {
	for _, service := range project.Services {
		named, has := service.Labels[podman.LabelUnit]
		if !isAutoUpdated(service) || !has || named == s.Unit {
			continue
		}
		problems = append(problems, Problem{
			Outcome: BadLabel,
			Message: fmt.Sprintf("service %s is auto-updated and its label %s names %q, not %s", service.Name, podman.LabelUnit, named, s.Unit),
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
