// Package collect takes one snapshot of a user's systemd units as a
// [facts.Document].
//
// Start at [Collect], which runs the collectors.
package collect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/homemanager"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// A collector collects one subject within its limit. It returns what it found
// as a function that puts it into the run: one that is abandoned at its limit
// therefore changes nothing afterwards.
type collector struct {
	name    string
	limit   time.Duration
	fills   []string // sections of the document (facts.Sections)
	needs   []string // collectors without whose results it fails
	collect func(context.Context, *run) (func(), error)
}

// collectors in the order they run. podman's listing and the survey of the
// manager are begun before all of them: they are slow, and need nothing. Probes
// are begun as soon as the states of units are known; they need the manager only
// for the stacks that have any.
func collectors() []collector {
	return []collector{
		{name: "history", limit: 3 * time.Second, collect: collectHistory, fills: []string{"history", "units.history"}},
		{name: "user", limit: 2 * time.Second, collect: collectUser, fills: []string{"host", "user"}},
		{name: "home-manager", limit: 5 * time.Second, collect: collectHomeManager, fills: []string{"declared"}},
		{name: "systemd", limit: systemdLimit, collect: collectSystemd, fills: []string{"manager", "units.loaded"}},
		{
			name: "files", limit: 15 * time.Second, collect: collectFiles, fills: []string{"units.files", "units.reload"},
			needs: []string{"home-manager", "systemd", "index"},
		},
		{
			name: "applied", limit: 5 * time.Second, collect: collectApplied, fills: []string{"units.services", "units.applied"},
			needs: []string{"files"},
		},
		podmanCollector(),
		probesCollector(),
	}
}

func podmanCollector() collector {
	return collector{
		name: "podman", limit: podmanLimit + time.Second, collect: collectPodman, fills: []string{"podman", "units.containers"},
	}
}

func probesCollector() collector {
	return collector{name: "probes", limit: probesLimit + time.Second, collect: collectProbes, fills: []string{"units.probes"}}
}

const (
	podmanLimit  = 5 * time.Second // for one that hangs, as podman can on its storage lock
	systemdLimit = 20 * time.Second
)

// run is one collection under way: the document, and what collectors hand on
// to later ones.
type run struct {
	ctx context.Context // of all collectors, for what one begins and another one needs
	env Environment
	doc *facts.Document

	generation *homemanager.Generation // nil: Home Manager is not in use
	declared   map[string]string       // path in the home -> what its link must point to
	memory     *facts.Memory           // nil: there is none, or it could not be asked
	quadlets   map[string]string       // declared quadlet source -> the unit it becomes
	conn       manager
	listed     map[string]systemd.Listed // units in memory before any was asked for
	index      *unitfile.Index
	loaded     map[string]systemd.Unit
	looks      *looks
	survey     <-chan answer[surveyed]
	listing    <-chan answer[podman.Listing]
	probing    <-chan answer[[]question]
	failed     map[string]error  // collector -> why
	managed    map[string]string // unit -> who manages it, of all units
	only       []string          // the units of the document; nil is all
}

// An Option changes what Collect collects.
type Option func(*run)

// Only leaves all units but the given ones out of the document. What it says
// about those, and about the host, is the same as in the whole document.
func Only(units ...string) Option {
	return func(r *run) { r.only = append([]string{}, units...) }
}

// chosen are those of names that the document is to have.
func (r *run) chosen(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !r.isChosen(n) })
}

func (r *run) isChosen(unit string) bool { return r.only == nil || slices.Contains(r.only, unit) }

// Collect takes one snapshot. It never fails as a whole: what could not be
// collected is absent, and Collectors says why.
func Collect(ctx context.Context, env Environment, options ...Option) *facts.Document {
	return collect(ctx, env, surveyManager, options...)
}

// collect is Collect with the given way to survey the manager.
func collect(ctx context.Context, env Environment, survey surveyor, options ...Option) *facts.Document {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newRun(ctx, env)
	for _, option := range options {
		option(r)
	}
	r.listing = begin(ctx, podmanLimit, env.Podman.Containers)
	r.survey = begin(ctx, systemdLimit, func(limited context.Context) (surveyed, error) { return survey(ctx, limited, env) })
	for _, c := range collectors() {
		r.do(ctx, c)
		if c.name == "systemd" && r.conn == nil {
			r.namesOnly()
		}
		if c.name == "systemd" {
			r.beginProbes()
		}
	}
	return r.doc
}

func newRun(ctx context.Context, env Environment) *run {
	return &run{ctx: ctx, env: env, failed: map[string]error{}, doc: &facts.Document{
		Schema: facts.Schema, CollectedAt: env.Now().UTC(), Collectors: map[string]facts.CollectorStatus{}, Units: []facts.Unit{},
	}}
}

// namesOnly records which units there should be where the manager could not be
// asked for them.
func (r *run) namesOnly() {
	r.managed, _ = r.managedUnits(nil)
	for _, name := range r.chosen(slices.Sorted(maps.Keys(r.managed))) {
		r.doc.Units = append(r.doc.Units, r.unit(name, r.managed[name]))
	}
}

// do runs one collector and leaves it behind when its limit passes: a read
// from a dead network file system cannot be called off.
func (r *run) do(ctx context.Context, c collector) {
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	start := r.env.Now()
	apply, err := await(limited, begin(limited, c.limit, func(ctx context.Context) (func(), error) {
		if err := r.needs(c.needs...); err != nil {
			return nil, err
		}
		return c.collect(ctx, r)
	}))
	if limited.Err() != nil {
		err = fmt.Errorf("no answer within %s", c.limit)
	}
	status := facts.CollectorStatus{OK: err == nil, DurationMS: r.env.Now().Sub(start).Milliseconds(), LimitMS: c.limit.Milliseconds()}
	if err != nil {
		status.Error, r.failed[c.name] = err.Error(), err
	} else {
		apply()
	}
	r.doc.Collectors[c.name] = status
}

// needs returns why a collector that this one rests on could not look.
func (r *run) needs(names ...string) error {
	for _, n := range names {
		if err := r.failed[n]; err != nil {
			return fmt.Errorf("rests on the %s collector: %w", n, err)
		}
	}
	return nil
}

// answer is what came of work that was begun.
type answer[T any] struct {
	result T
	err    error
}

// begin starts work for a collector to wait for.
func begin[T any](ctx context.Context, limit time.Duration, work func(context.Context) (T, error)) <-chan answer[T] {
	answers := make(chan answer[T], 1)
	go func() {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		result, err := work(limited)
		answers <- answer[T]{result, err}
	}()
	return answers
}

// await waits for work that was begun, until ctx ends.
func await[T any](ctx context.Context, answers <-chan answer[T]) (result T, err error) {
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		return result, ctx.Err()
	}
}
