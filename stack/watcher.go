package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
)

// watcher asks the rules about a stack again and again, on a document that is
// collected until it has the unit, and whose containers are looked at anew each
// time.
type watcher struct {
	operator *Operator
	stack    Stack
	services []facts.Service
	env      collect.Environment
	doc      *facts.Document
	seen     map[string]facts.Container // as first seen up, by id
	since    time.Time                  // when nothing was found wrong first; zero while something is
	ended    map[string]int             // looks in a row at which a container had ended for good
	wrong    []finding.Finding          // what was found wrong last
}

func newWatcher(o *Operator, s Stack, services []facts.Service) *watcher {
	env := o.Env
	env.Podman = o.Podman.Watch()
	env.Config.Stacks = withProbesOf(s, env.Config.Stacks)
	return &watcher{operator: o, stack: s, services: services, env: env, ended: map[string]int{}}
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

// look is what was found at one time.
type look struct {
	findings []finding.Finding
	before   []finding.Finding // what was found wrong last, now or earlier
	err      error             // why the rules could not be asked, or could not tell
	up       bool              // nothing is wrong
	stoodFor time.Duration     // how long it has been up
	gone     []string          // containers that ended for good
	doc      *facts.Document
}

func (w *watcher) look(ctx context.Context) look {
	if !w.knowsUnit() {
		w.doc = collect.Collect(ctx, w.env)
	} else {
		collect.Relist(ctx, w.env, w.doc)
	}
	l := w.judge(ctx)
	if len(l.findings) > 0 || l.err != nil {
		w.since, w.seen = time.Time{}, nil
	} else if w.since.IsZero() {
		w.since = time.Now()
		w.remember()
	}
	if l.up = !w.since.IsZero(); l.up {
		l.stoodFor = time.Since(w.since)
	}
	if len(l.findings) > 0 {
		w.wrong = l.findings
	}
	l.gone, l.doc, l.before = w.endedForGood(l.findings), w.doc, w.wrong
	return l
}

// knowsUnit: not where the manager was too busy to answer, which passes.
func (w *watcher) knowsUnit() bool {
	if w.doc == nil {
		return false
	}
	u := unitIn(w.doc, w.stack.Unit)
	return u != nil && u.Loaded != nil
}

// judge asks the rules about this unit alone.
func (w *watcher) judge(ctx context.Context) look {
	u := unitIn(w.doc, w.stack.Unit)
	if u == nil {
		return look{err: errUnmanaged}
	}
	one := *w.doc
	unit := *u
	unit.Services = w.services
	unit.Verify = &facts.Verify{Restarted: w.restarted(u.Containers), Healthy: w.stack.Verify.NeedsHealth()}
	one.Units = []facts.Unit{unit}
	result, err := w.operator.Policies.Only(asks()...).Decide(ctx, &one)
	if err != nil {
		return look{err: err}
	}
	return sorted(result.Decisions)
}

// sorted parts findings from what could not be decided.
func sorted(decisions []finding.Finding) (l look) {
	for _, d := range decisions {
		switch {
		case d.IsUnknown():
			l.err = errors.Join(l.err, errors.New(d.Message))
		case !d.IsAllowed():
			l.findings = append(l.findings, d)
		}
	}
	return l
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
		if w.seen != nil && (!known || was.Restarts != c.Restarts || !sameTime(was.StartedAt, c.StartedAt)) {
			names = append(names, c.Name)
		}
	}
	return names
}

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

// endedForGood names the containers that have ended, and that nothing starts
// again, at two looks in a row: a provider may be about to.
func (w *watcher) endedForGood(findings []finding.Finding) (names []string) {
	ended := map[string]int{}
	for _, d := range findings {
		name, policy := text(d.Evidence, "container"), text(d.Evidence, "restart_policy")
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

func (l look) hopeless() bool { return len(l.gone) > 0 }

// culprits are the services that findings are about, each with its case.
func (l look) culprits() []string {
	names := []string{}
	for _, d := range l.findings {
		who := text(d.Evidence, "service")
		if who == "" {
			who = text(d.Evidence, "container")
		}
		if who == "" {
			who = text(d.Evidence, "target")
		}
		if who == "" {
			who = d.Subject
		}
		if who = strings.TrimSpace(who + " " + caseOf(d)); !slices.Contains(names, who) {
			names = append(names, who)
		}
	}
	return names
}

func (l look) waitingFor(waited, timeout time.Duration) string {
	what := strings.Join(l.culprits(), ", ")
	switch {
	case l.err != nil:
		what = "an answer: " + l.err.Error()
	case what == "":
		what = "the services to stay up"
	}
	return fmt.Sprintf("%s of %s: waiting for %s", waited.Round(time.Second), timeout, what)
}
