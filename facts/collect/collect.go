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

// A collector looks at one subject within its limit. It returns what it found
// as a function that puts it into the run: one that is abandoned at its limit
// therefore changes nothing afterwards.
type collector struct {
	name    string
	limit   time.Duration
	collect func(context.Context, *run) (func(), error)
}

// collectors in the order they run. A later one may rest on an earlier one's
// findings and fails with it. podman's listing and the survey of the manager are
// begun before all of them: they are slow, and rest on nothing. Probes are begun as
// soon as the states of units are known.
var collectors = []collector{
	{"history", 3 * time.Second, collectHistory},
	{"user", 2 * time.Second, collectUser},
	{"home-manager", 5 * time.Second, collectHomeManager},
	{"systemd", systemdLimit, collectSystemd},
	{"files", 15 * time.Second, collectFiles},
	{"applied", 5 * time.Second, collectApplied},
	{"podman", podmanLimit + time.Second, collectPodman},
	{"probes", probesLimit + time.Second, collectProbes},
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
	conn       *systemd.Conn
	listed     map[string]systemd.Listed // units in memory before any was asked for
	index      *unitfile.Index
	loaded     map[string]systemd.Unit
	looks      *looks
	survey     <-chan answer[survey]
	listing    <-chan answer[podman.Listing]
	probing    <-chan answer[[]question]
	failed     map[string]error // collector -> why
}

// Collect takes one snapshot. It never fails as a whole: what could not be
// looked at is absent and said under Collectors.
func Collect(ctx context.Context, env Environment) *facts.Document {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		ctx:     ctx,
		env:     env,
		doc:     &facts.Document{Schema: facts.Schema, CollectedAt: env.Now().UTC(), Collectors: map[string]facts.CollectorStatus{}, Units: []facts.Unit{}},
		failed:  map[string]error{},
		listing: begin(ctx, podmanLimit, env.Podman.Containers),
		survey: begin(ctx, systemdLimit, func(limited context.Context) (survey, error) {
			return surveyManager(ctx, limited, env)
		}),
	}
	for _, c := range collectors {
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

// namesOnly records which units there should be where the manager could not be
// asked for them.
func (r *run) namesOnly() {
	managed, _ := r.managedUnits(nil)
	for _, name := range slices.Sorted(maps.Keys(managed)) {
		r.doc.Units = append(r.doc.Units, r.unit(name, managed[name]))
	}
}

// do runs one collector and leaves it behind when its limit passes: a read
// from a dead network file system cannot be called off.
func (r *run) do(ctx context.Context, c collector) {
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	start := r.env.Now()
	apply, err := await(limited, begin(limited, c.limit, func(ctx context.Context) (func(), error) {
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
