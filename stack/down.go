package stack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// Down stops the stack's containers, dependents first, each within its grace
// period, and removes none, so that anonymous volumes stay theirs. While the
// stack's unit restarts it leaves all of them running: systemd stops a unit
// before it starts it, and the preflight has to be able to refuse.
func (o *Operator) Down(ctx context.Context, s Stack) Report {
	job, err := o.manager(s).job(ctx)
	switch {
	case err != nil:
		return s.failed("down", Problem{
			Outcome: DownFailed, Message: "whether the unit stops or restarts cannot be found out; the containers were left alone",
			Details: lines(err), Hint: "stop them by hand: podman stop --filter label=" + podman.LabelProject + "=" + s.Project,
		})
	case job == "restart":
		return s.report("down", LeftRunning, s.Unit+" restarts, so its containers were left alone")
	}
	release, bad := lockOf(o.Env.RuntimeDir, s).take(o.Env.Now())
	if bad != nil {
		return s.failed("down", *bad)
	}
	defer release()
	stopped, err := (&stopping{stack: s, podman: o.projectPodman(s), output: o.Output}).run(ctx)
	if err != nil {
		return s.failed("down", Problem{
			Outcome: DownFailed, Message: "not all containers were stopped: " + firstLine(err), Details: lines(err), Hint: "see what still runs with: stackctl status " + s.Name,
		})
	}
	return s.report("down", Stopped, fmt.Sprintf("%d containers stopped", stopped))
}

// stopping is one stop of a stack.
type stopping struct {
	stack  Stack
	podman projectPodman
	output func(line string)

	services   []compose.Service // none when the compose files cannot be read
	containers []podman.Details
}

// run stops what runs, group by group. Compose files that cannot be read are
// no reason to keep anything running: then all are stopped at once.
func (d *stopping) run(ctx context.Context) (stopped int, err error) {
	if d.containers, err = d.podman.details(ctx); err != nil {
		return 0, err
	}
	if project, bad := d.stack.load(ctx, d.podman.environ); bad == nil {
		d.services = project.Services
	}
	for _, group := range append([][]string{d.others()}, stopOrder(d.services)...) {
		n, err := d.stop(ctx, group)
		stopped += n
		if err != nil {
			return stopped, err
		}
	}
	return stopped, nil
}

// others names the services that the compose files do not have.
func (d *stopping) others() []string {
	others := []string{}
	for _, c := range d.containers {
		name := c.Labels[podman.LabelService]
		if !slices.ContainsFunc(d.services, func(s compose.Service) bool { return s.Name == name }) {
			others = append(others, name)
		}
	}
	return others
}

// stop stops the containers of some services at once.
func (d *stopping) stop(ctx context.Context, group []string) (stopped int, err error) {
	ids, names, grace := []string{}, []string{}, time.Duration(0)
	for _, c := range d.containers {
		if !slices.Contains(group, c.Labels[podman.LabelService]) || !slices.Contains(alive, c.State) {
			continue
		}
		ids, names = append(ids, c.ID), append(names, c.Name)
		grace = max(grace, graceOf(c, d.services, engine.IsOwn(c.Labels)))
	}
	if len(ids) == 0 {
		return 0, nil
	}
	d.output(fmt.Sprintf("stackctl: stopping %s, at most %s", strings.Join(names, ", "), grace))
	return len(ids), d.podman.stop(ctx, ids, grace)
}

// longestStop is how long a stop of the stack may take: the groups of services are
// stopped one after the other. One-shots have ended by then.
func longestStop(services []compose.Service) (total time.Duration) {
	for _, group := range stopOrder(services) {
		longest := time.Duration(0)
		for _, s := range services {
			if slices.Contains(group, s.Name) && !s.OneShot && s.Replicas > 0 {
				longest = max(longest, cmp.Or(s.Grace, usualGrace))
			}
		}
		total += longest
	}
	return total
}

// shortStop is a note where the manager would end a stop before the grace periods are
// over. What was asked to stop by then still ends by itself, but the services that
// come after it are not stopped in order.
func (x *preflight) shortStop(ctx context.Context, project *compose.Project) []string {
	limit, isLimited := x.manager.stopLimit(ctx)
	needed := longestStop(project.Services)
	if !isLimited || needed <= limit {
		return nil
	}
	return []string{fmt.Sprintf("a stop may take %s by the services' grace periods, and %s has %s: write TimeoutStopSec=%d or more",
		needed, x.stack.Unit, limit, int(needed.Seconds())+10)}
}

// alive are the states in which there is something to stop.
var alive = []string{"running", "paused", "stopping"}
