package facts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

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
// findings and fails with it. podman's listing is begun before all of them, for
// it is the slowest, and belongs to none.
var collectors = []collector{
	{"user", 2 * time.Second, collectUser},
	{"home-manager", 5 * time.Second, collectHomeManager},
	{"systemd", 20 * time.Second, collectSystemd},
	{"files", 15 * time.Second, collectFiles},
	{"podman", podmanLimit + time.Second, collectPodman},
}

// podmanLimit bounds a podman that hangs, as it can on its storage lock.
const podmanLimit = 5 * time.Second

// run is one collection under way: the document, and what collectors hand on
// to later ones.
type run struct {
	env Environment
	doc *Document

	generation *homemanager.Generation // nil: Home Manager is not in use
	declared   map[string]string       // path in the home -> what its link must point to
	conn       *systemd.Conn
	listed     map[string]systemd.Listed // units in memory before any was asked for
	index      *unitfile.Index
	loaded     map[string]systemd.Unit
	listing    <-chan podmanAnswer
	failed     map[string]error // collector -> why

	folders map[string][]string        // see byFolder
	links   map[string][]unitfile.Link // see declaredLinks
}

type podmanAnswer struct {
	listing podman.Listing
	err     error
}

// Collect takes one snapshot. It never fails as a whole: what could not be
// looked at is absent and said under Collectors.
func Collect(ctx context.Context, env Environment) *Document {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		env:     env,
		doc:     &Document{Schema: Schema, CollectedAt: env.Now().UTC(), Collectors: map[string]CollectorStatus{}, Units: []Unit{}},
		failed:  map[string]error{},
		listing: listContainers(ctx, env.Podman),
	}
	for _, c := range collectors {
		r.do(ctx, c)
		if c.name == "systemd" && r.conn == nil {
			r.namesOnly()
		}
	}
	if r.conn != nil {
		_ = r.conn.Close() // read-only use: nothing is lost
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
	type answer struct {
		apply func()
		err   error
	}
	start := r.env.Now()
	answers := make(chan answer, 1)
	go func() {
		apply, err := c.collect(limited, r)
		answers <- answer{apply, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-limited.Done():
		a.err = fmt.Errorf("no answer within %s", c.limit)
	}
	status := CollectorStatus{OK: a.err == nil, DurationMS: r.env.Now().Sub(start).Milliseconds(), LimitMS: c.limit.Milliseconds()}
	if a.err != nil {
		status.Error, r.failed[c.name] = a.err.Error(), a.err
	} else {
		a.apply()
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

func listContainers(ctx context.Context, l Lister) <-chan podmanAnswer {
	answers := make(chan podmanAnswer, 1)
	go func() {
		limited, cancel := context.WithTimeout(ctx, podmanLimit)
		defer cancel()
		listing, err := l.Containers(limited)
		answers <- podmanAnswer{listing, err}
	}()
	return answers
}
