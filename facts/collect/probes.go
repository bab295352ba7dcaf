package collect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"stackpolicy/config"
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

var probesRow = collector{name: "probes", limit: probesLimit + time.Second, fills: []string{"units.probes"}}

// errNoSockets is a gap, and no answer of a service: nothing was asked.
var errNoSockets = fmt.Errorf("%w, so nothing was probed: write RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 below [Service] of stackpolicy-audit.service", probe.ErrNotAllowed)

// probesFound are all probes that were run, with their answers.
type probesFound []question

// beginProbes starts the probes of the units' stacks, all at the same time. collectProbes
// waits for them.
func beginProbes(ctx context.Context, kept *kept, stacks map[string]config.Stack, units []facts.Unit) <-chan answer[probesFound] {
	questions := questionsOf(stacks, units)
	return begin(ctx, probesLimit, func(ctx context.Context) (probesFound, error) {
		return kept.probes(questions, func() (probesFound, error) { return questions.ask(ctx) })
	})
}

// ask asks all at the same time.
func (f probesFound) ask(ctx context.Context) (probesFound, error) {
	if len(f) > 0 && probe.Allowed(syscall.AF_INET, syscall.AF_INET6) != nil {
		return nil, errNoSockets
	}
	var asked sync.WaitGroup
	for i := range f {
		asked.Go(func() { f[i].answer = f[i].probe.Ask(ctx) })
	}
	asked.Wait()
	return f, ctx.Err()
}

// questionsOf returns the probes of stacks whose unit is active, activating or failed: the
// containers of a failed unit may run.
func questionsOf(stacks map[string]config.Stack, units []facts.Unit) (all probesFound) {
	for _, u := range units {
		if u.Loaded == nil || u.Loaded.ActiveState == "inactive" || u.Loaded.ActiveState == "deactivating" {
			continue
		}
		if name := stackOf(stacks, u.Name); name != "" {
			for _, p := range stacks[name].Probes {
				all = append(all, question{unit: u.Name, probe: p.Question()})
			}
		}
	}
	return all
}

// collectProbes waits for the probes. unknown is why it is not known which probes must be
// run; nil if it is known.
func collectProbes(ctx context.Context, probing <-chan answer[probesFound], unknown error) (probesFound, error) {
	if unknown != nil {
		return nil, unknown
	}
	return await(ctx, probing)
}

func (f probesFound) fill(doc *facts.Document) {
	for i := range doc.Units {
		u := &doc.Units[i]
		u.Probes = []facts.Probe{}
		for _, q := range f {
			if q.unit == u.Name {
				u.Probes = append(u.Probes, q.fact())
			}
		}
	}
}

// unknownState returns an error if the state of a unit is not known whose stack has probes.
// silent is why the manager did not answer, or nil.
func unknownState(stacks map[string]config.Stack, only selection, units []facts.Unit, silent error) error {
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		s := stacks[name]
		if len(s.Probes) == 0 || !only.has(s.Unit) {
			continue
		}
		isKnown := slices.ContainsFunc(units, func(u facts.Unit) bool { return u.Name == s.Unit && u.Loaded != nil })
		switch {
		case isKnown:
		case silent != nil:
			return silent
		default:
			return fmt.Errorf("the state of %s, the unit of stack %s, is not known", s.Unit, name)
		}
	}
	return nil
}

func (q question) fact() facts.Probe {
	return facts.Probe{
		Kind: q.probe.Kind, Target: q.probe.Target(), Expected: q.probe.Expected(),
		OK: q.answer.OK, Status: q.answer.Status, LatencyMS: roundUp(q.answer.Latency), Error: q.answer.Error,
		CertificateEnd: timeOrNil(q.answer.CertificateEnd),
	}
}

// roundUp rounds a latency up to 10, 20, 50, 100, 200, 500, 1000 … milliseconds. With the exact
// time, each audit would have a different document to remember.
func roundUp(latency time.Duration) int64 {
	for unit := int64(10); ; unit *= 10 {
		for _, n := range []int64{unit, 2 * unit, 5 * unit} {
			if latency <= time.Duration(n)*time.Millisecond {
				return n
			}
		}
	}
}
