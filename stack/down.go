package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
)

// Down stops the stack's containers, dependents first, each within its grace
// period, and removes none, so that anonymous volumes stay theirs. While the
// stack's unit restarts it leaves all as it is: systemd stops a unit before it
// starts it, and the preflight has to be able to refuse.
func (o *Operator) Down(ctx context.Context, s Stack) Report {
	if o.Job != nil {
		job, err := o.Job(ctx, s.Unit)
		switch {
		case err != nil:
			return o.failed("down", s, Problem{
				Outcome: DownFailed, Message: "whether the unit stops or restarts cannot be found out; the containers were left alone",
				Details: lines(err), Hint: "stop them by hand: podman stop --filter label=" + labelProject + "=" + s.Project,
			})
		case job == "restart":
			return o.report("down", s, LeftRunning, s.Unit+" restarts, so its containers were left alone")
		}
	}
	release, err := lock.Take(o.lockPath(s), o.Env.Now())
	if p := o.locked(s, err); p != nil {
		return o.failed("down", s, *p)
	}
	defer release()
	stopped, err := o.stopAll(ctx, s)
	if err != nil {
		return o.failed("down", s, Problem{
			Outcome: DownFailed, Message: "not all containers were stopped: " + firstLine(err), Details: lines(err), Hint: "see what still runs with: stackctl status " + s.Name,
		})
	}
	return o.report("down", s, Stopped, fmt.Sprintf("%d containers stopped", stopped))
}

// stopAll stops what runs, group by group. Compose files that cannot be read are
// no reason to keep anything running: then all are stopped at once.
func (o *Operator) stopAll(ctx context.Context, s Stack) (stopped int, err error) {
	containers, err := o.details(ctx, s)
	if err != nil {
		return 0, err
	}
	services := []compose.Service{}
	if project, bad := o.project(ctx, s); bad == nil {
		services = project.Services
	}
	known := stopOrder(services)
	others := []string{}
	for _, c := range containers {
		name := c.Labels[labelService]
		if !slices.ContainsFunc(services, func(s compose.Service) bool { return s.Name == name }) {
			others = append(others, name)
		}
	}
	for _, group := range append([][]string{others}, known...) {
		n, err := o.stopGroup(ctx, group, containers, services)
		stopped += n
		if err != nil {
			return stopped, err
		}
	}
	return stopped, nil
}

// stopGroup stops the containers of some services at once.
func (o *Operator) stopGroup(ctx context.Context, group []string, containers []podman.Details, services []compose.Service) (int, error) {
	ids, names, grace := []string{}, []string{}, time.Duration(0)
	for _, c := range containers {
		if !slices.Contains(group, c.Labels[labelService]) || !slices.Contains(alive, c.State) {
			continue
		}
		ids, names = append(ids, c.ID), append(names, c.Name)
		grace = max(grace, graceOf(c, services, engine.IsOwn(c.Labels)))
	}
	if len(ids) == 0 {
		return 0, nil
	}
	o.Output(fmt.Sprintf("stackctl: stopping %s, at most %s", strings.Join(names, ", "), grace))
	return len(ids), o.podman().Stop(ctx, ids, grace, o.Environ, nil)
}

// alive are the states in which there is something to stop.
var alive = []string{"running", "paused", "stopping"}
