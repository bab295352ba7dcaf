package stack

import (
	"context"
	"errors"
	"slices"
	"time"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
)

// Apply brings the stack's containers to what the compose files say, and
// records what it applied. It holds the stack's lock to its end. When ctx ends
// the provider is told to stop, and then made to.
func (o *Operator) Apply(ctx context.Context, s Stack) Report {
	release, err := lock.Take(o.lockPath(s), o.Env.Now())
	if p := o.locked(s, err); p != nil {
		return o.failed("apply", s, *p)
	}
	defer release()
	project, bad := o.project(ctx, s)
	if bad != nil {
		return o.failed("apply", s, *bad)
	}
	provider, bad := o.provider(ctx, s, project)
	if bad != nil {
		return o.failed("apply", s, *bad)
	}
	// Taken before the provider reads the files: what changes meanwhile counts
	// as changed since.
	record, err := o.newRecord(ctx, s, project)
	if err != nil {
		return o.failed("apply", s, Problem{Outcome: Broken, Message: "what is to be applied cannot be told", Details: lines(err)})
	}
	return o.up(ctx, s, project, provider, record)
}

func (o *Operator) up(ctx context.Context, s Stack, project *compose.Project, provider compose.Provider, record applied.Record) Report {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Apply.Timeout, errTooLong)
	defer cancel()
	before, err := o.containers(ctx, s)
	if err != nil {
		return o.failed("apply", s, Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"})
	}
	if err := o.pull(ctx, project); err != nil {
		return o.failed("apply", s, o.cut(ctx, s, Problem{
			Outcome: ApplyFailed, Message: "an image is not to be had; the containers were left alone", Details: lines(err),
			Hint: "see what still runs with: stackctl status " + s.Name,
		}))
	}
	recreate, why := o.mustRecreate(ctx, s, record.Definition, before)
	recreate = recreate && len(before) > 0 // podman-compose stops what is not there otherwise, and says that it failed
	if recreate {
		o.Output("stackctl: containers are made anew: " + why)
	}
	said := &complaints{to: o.Output}
	up := compose.Up{
		Project: project.Name, Files: s.Compose, Profiles: project.Profiles, Environ: project.Environ,
		Unit: s.Unit, Scope: o.scope(s), NoPod: noPod(ctx, provider, project), Recreate: recreate, Output: said.line,
	}
	err = provider.Up(ctx, up)
	if errors.Is(err, compose.ErrNotStarted) && !recreate && !slices.ContainsFunc(before, isUp) {
		// As after a manager was killed: the containers keep a network that is gone.
		o.Output("stackctl: containers are made anew: " + err.Error())
		up.Recreate = true
		err = provider.Up(ctx, up)
	}
	if err == nil {
		err = o.settle(ctx, s, project, said)
	}
	if err != nil {
		return o.applyFailed(s, o.cut(ctx, s, Problem{
			Outcome: ApplyFailed, Message: "the compose provider failed", Details: append(lines(err), o.states(ctx, s)...),
			Hint: "see what still runs with: stackctl status " + s.Name,
		}))
	}
	if err := applied.Write(o.Env.StateHome, record); err != nil {
		return o.failed("apply", s, Problem{Outcome: Broken, Message: "applied, but that could not be recorded", Details: lines(err)})
	}
	return o.report("apply", s, Applied, "applied")
}

func isUp(c podman.Container) bool { return c.State == "running" }

var errTooLong = errors.New("the time for an apply is over (apply.timeout)")

// cut is the problem, or that the apply was told to stop: not by its own limit.
func (o *Operator) cut(ctx context.Context, s Stack, p Problem) Problem {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTooLong) {
		p.Outcome, p.Message = ApplyCut, "told to stop in the middle"
		p.Hint = "apply it again: systemctl --user restart " + s.Unit
	}
	return p
}

const (
	stopGrace     = 10 * time.Second
	maxComplaints = 20
)

// applyFailed marks the record of the apply before: what it applied may stand
// no more.
func (o *Operator) applyFailed(s Stack, p Problem) Report {
	r := o.failed("apply", s, p)
	if err := o.remark(s, r, ""); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}
