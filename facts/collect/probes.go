package collect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/probe"
)

// probesLimit is longer than the longest probe that a configuration may have.
const probesLimit = 12 * time.Second

// question is a configured probe of a unit, with its result.
type question struct {
	unit   string
	probe  probe.Probe
	answer probe.Answer
}

// beginProbes starts the probes of the document's stacks, all at the same time.
// collectProbes waits for them.
func (r *run) beginProbes() {
	questions := r.questions()
	r.probing = begin(r.ctx, probesLimit, func(ctx context.Context) ([]question, error) {
		var asked sync.WaitGroup
		for i := range questions {
			asked.Go(func() { questions[i].answer = questions[i].probe.Ask(ctx) })
		}
		asked.Wait()
		return questions, ctx.Err()
	})
}

// questions returns the probes of stacks whose unit is active, activating or failed: the
// containers of a failed unit may run.
func (r *run) questions() (all []question) {
	for _, u := range r.doc.Units {
		if u.Loaded == nil || u.Loaded.ActiveState == "inactive" || u.Loaded.ActiveState == "deactivating" {
			continue
		}
		if name := r.configuredStack(u.Name); name != "" {
			for _, p := range r.env.Config.Stacks[name].Probes {
				all = append(all, question{unit: u.Name, probe: p.Question()})
			}
		}
	}
	return all
}

// collectProbes fills each unit's probes.
func collectProbes(ctx context.Context, r *run) (func(), error) {
	if err := r.probesNeed(); err != nil {
		return nil, err
	}
	answered, err := await(ctx, r.probing)
	if err != nil {
		return nil, err
	}
	return func() {
		for i := range r.doc.Units {
			u := &r.doc.Units[i]
			u.Probes = []facts.Probe{}
			for _, q := range answered {
				if q.unit == u.Name {
					u.Probes = append(u.Probes, q.fact())
				}
			}
		}
	}, nil
}

// probesNeed returns an error if the states of units are not known: then it is not known
// which probes must be run.
func (r *run) probesNeed() error {
	for _, name := range slices.Sorted(maps.Keys(r.env.Config.Stacks)) {
		s := r.env.Config.Stacks[name]
		if len(s.Probes) == 0 || !r.isChosen(s.Unit) {
			continue
		}
		i := slices.IndexFunc(r.doc.Units, func(u facts.Unit) bool { return u.Name == s.Unit && u.Loaded != nil })
		if i < 0 {
			if err := r.needs("systemd"); err != nil {
				return err
			}
			return fmt.Errorf("the state of %s, the unit of stack %s, is not known", s.Unit, name)
		}
	}
	return nil
}

func (q question) fact() facts.Probe {
	return facts.Probe{
		Kind: q.probe.Kind, Target: q.probe.Target(), Expected: q.probe.Expected(),
		OK: q.answer.OK, Status: q.answer.Status, LatencyMS: step(q.answer.Latency), Error: q.answer.Error,
		CertificateEnd: timeOrNil(q.answer.CertificateEnd),
	}
}

// step rounds a latency up to 10, 20, 50, 100, 200, 500, 1000 … milliseconds. With the exact
// time, each audit would have a different document to remember.
func step(latency time.Duration) int64 {
	for unit := int64(10); ; unit *= 10 {
		for _, n := range []int64{unit, 2 * unit, 5 * unit} {
			if latency <= time.Duration(n)*time.Millisecond {
				return n
			}
		}
	}
}
