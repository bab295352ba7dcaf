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

// A collector collects one subject within its limit. It returns its result as a function
// that stores it in the run. So a collector that is abandoned at its limit cannot change
// anything afterwards.
type collector struct {
	name    string
	limit   time.Duration
	fills   []string // sections of the document (facts.Sections)
	needs   []string // collectors without whose results it fails
	collect func(context.Context, *run) (func(), error)
}

// collectors are in the order in which they run. Two slow tasks, podman's listing and the
// survey of the manager, are started before all of them, because they need no results of
// others. Probes are started as soon as the states of units are known; they only need the
// manager for stacks with probes.
func collectors() []collector {
	return []collector{
		{name: "history", limit: 3 * time.Second, collect: collectHistory, fills: []string{"history", "units.history"}},
		{name: "user", limit: 2 * time.Second, collect: collectUser, fills: []string{"host", "user"}},
		{name: "home-manager", limit: 5 * time.Second, collect: collectHomeManager, fills: []string{"declared"}},
		{name: "systemd", limit: systemdLimit, collect: collectSystemd, fills: []string{"manager", "units.loaded"}},
		{
			name: "files", limit: 15 * time.Second, collect: collectFiles, fills: []string{"units.files", "units.reload", "manager_files"},
			needs: []string{"home-manager", "systemd", "index"},
		},
		{
			name: "applied", limit: 5 * time.Second, collect: collectApplied, fills: []string{"units.services", "units.applied"},
			needs: []string{"files"},
		},
		podmanCollector(),
		imagesCollector(),
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
	podmanLimit  = 5 * time.Second // podman can hang, for example on its storage lock
	systemdLimit = 20 * time.Second
)

// run is a collection that is running: the document, and results of collectors that later
// collectors need.
type run struct {
	ctx context.Context // of the whole collection, for tasks that several collectors use
	env Environment
	doc *facts.Document

	generation *homemanager.Generation // nil: Home Manager is not in use
	declared   map[string]string       // path in the home -> what its link must point to
	pending    map[string]string       // the same for the generation whose activation did not end; nil without one
	memory     *facts.Memory           // nil: it does not exist, or could not be read
	quadlets   map[string]string       // declared quadlet source -> the unit it becomes
	conn       manager
	listed     map[string]systemd.Listed // units that were in memory before the audit asked for any
	index      *unitfile.Index
	loaded     map[string]systemd.Unit
	looks      *looks
	survey     <-chan answer[surveyed]
	listing    <-chan answer[podman.Listing]
	probing    <-chan answer[[]question]
	failed     map[string]error  // collector -> its error
	managed    map[string]string // unit -> who manages it, for all units
	only       []string          // the units of the document; nil means all
}

// An Option changes what Collect collects.
type Option func(*run)

// Only limits the document to the given units. Their content, and that of the host, is the
// same as in the whole document.
func Only(units ...string) Option {
	return func(r *run) { r.only = append([]string{}, units...) }
}

// chosen returns the names that belong in the document.
func (r *run) chosen(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !r.isChosen(n) })
}

func (r *run) isChosen(unit string) bool { return r.only == nil || slices.Contains(r.only, unit) }

// Collect takes one snapshot. It never fails as a whole: a section that could not be
// collected is absent, and Collectors has the reason.
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

// namesOnly records the names of the units, if the manager could not be asked for them.
func (r *run) namesOnly() {
	r.managed, _ = r.managedUnits(nil)
	for _, name := range r.chosen(slices.Sorted(maps.Keys(r.managed))) {
		r.doc.Units = append(r.doc.Units, r.unit(name, r.managed[name]))
	}
}

// do runs one collector and abandons it at its limit: a read from a dead network file
// system cannot be cancelled.
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

// needs returns an error if a collector failed whose result this one needs.
func (r *run) needs(names ...string) error {
	for _, n := range names {
		if err := r.failed[n]; err != nil {
			return fmt.Errorf("rests on the %s collector: %w", n, err)
		}
	}
	return nil
}

// answer is the result of a task that was started.
type answer[T any] struct {
	result T
	err    error
}

// begin starts a task; a collector waits for its answer.
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

// await waits for the answer of a task, until ctx ends.
func await[T any](ctx context.Context, answers <-chan answer[T]) (result T, err error) {
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		return result, ctx.Err()
	}
}
