package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
)

// watcher asks the rules about a stack repeatedly, on a document that is
// collected until it has the unit, and whose containers are listed again each
// time.
type watcher struct {
	rules    rules
	stack    Stack
	services []facts.Service
	env      collect.Environment
	doc      *facts.Document
	seen     map[string]facts.Container // as first seen up, by id
	since    time.Time                  // when nothing was found wrong first; zero while something is
	ended    map[string]int             // observations in a row at which a container had ended for good
	wrong    []finding.Finding          // what was found wrong last
}

func newWatcher(env collect.Environment, containers collect.Lister, r rules, s Stack, services []facts.Service) *watcher {
	env.Podman = containers
	env.Config.Stacks = withProbesOf(s, env.Config.Stacks)
	return &watcher{rules: r, stack: s, services: services, env: env, ended: map[string]int{}}
}

// withProbesOf returns the stacks without the probes of the others, which verify
// does not wait for.
func withProbesOf(s Stack, stacks map[string]config.Stack) map[string]config.Stack {
	stacks = maps.Clone(stacks)
	for name, other := range stacks {
		if name != s.Name {
			other.Probes = nil
			stacks[name] = other
		}
	}
	return stacks
}

// observation is what was found at one time.
type observation struct {
	verdict
	before []finding.Finding // what was found wrong last, now or earlier
	up     bool              // nothing is wrong
	upFor  time.Duration
	gone   []string // containers that ended for good
	doc    *facts.Document
}

func (w *watcher) observe(ctx context.Context) observation {
	if !w.knowsUnit() {
		w.doc = collect.Collect(ctx, w.env)
	} else {
		collect.Relist(ctx, w.env, w.doc)
	}
	o := observation{verdict: w.judge(ctx)}
	if len(o.findings) > 0 || o.err != nil {
		w.since, w.seen = time.Time{}, nil
	} else if w.since.IsZero() {
		w.since = time.Now()
		w.remember()
	}
	if o.up = !w.since.IsZero(); o.up {
		o.upFor = time.Since(w.since)
	}
	if len(o.findings) > 0 {
		w.wrong = o.findings
	}
	o.gone, o.doc, o.before = w.endedForGood(o.findings), w.doc, w.wrong
	return o
}

// knowsUnit reports whether the manager has described the unit. One that is too
// busy to answer is asked again.
func (w *watcher) knowsUnit() bool {
	if w.doc == nil {
		return false
	}
	u := unitIn(w.doc, w.stack.Unit)
	return u != nil && u.Loaded != nil
}

var errUnmanaged = errors.New("the facts do not have the stack's unit")

func (w *watcher) judge(ctx context.Context) verdict {
	u := unitIn(w.doc, w.stack.Unit)
	if u == nil {
		return verdict{err: errUnmanaged}
	}
	unit := *u
	unit.Services = w.services
	unit.Verify = &facts.Verify{Restarted: w.restarted(u.Containers), Healthy: w.stack.Verify.NeedsHealth()}
	v, err := w.rules.judge(ctx, w.doc, unit)
	if err != nil {
		return verdict{err: err}
	}
	return v
}

func (w *watcher) remember() {
	w.seen = map[string]facts.Container{}
	for _, c := range unitIn(w.doc, w.stack.Unit).Containers {
		w.seen[c.ID] = c
	}
}

// restarted names the containers that are not the ones that were seen up, or
// started again since.
func (w *watcher) restarted(now []facts.Container) []string {
	names := []string{}
	for _, c := range now {
		was, known := w.seen[c.ID]
		if w.seen != nil && (!known || was.Restarts != c.Restarts || !isSameTime(was.StartedAt, c.StartedAt)) {
			names = append(names, c.Name)
		}
	}
	return names
}

func isSameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

// endedForGood names the containers that have ended and are not started again
// by podman, at two observations in a row: a provider may be about to.
func (w *watcher) endedForGood(findings []finding.Finding) (names []string) {
	ended := map[string]int{}
	for _, d := range findings {
		name, policy := textIn(d.Evidence, "container"), textIn(d.Evidence, "restart_policy")
		if caseOf(d) != "exited" || policy != "" && policy != "no" {
			continue
		}
		if ended[name] = w.ended[name] + 1; ended[name] >= 2 {
			names = append(names, name)
		}
	}
	w.ended = ended
	return names
}

func (o observation) isHopeless() bool { return len(o.gone) > 0 }

func (o observation) waitingFor(waited, timeout time.Duration) string {
	what := strings.Join(culprits(o.findings), ", ")
	switch {
	case o.err != nil:
		what = "an answer: " + o.err.Error()
	case what == "":
		what = "the services to stay up"
	}
	return fmt.Sprintf("%s of %s: waiting for %s", waited.Round(time.Second), timeout, what)
}
