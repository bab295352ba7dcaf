package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stackpolicy/lab/usermanager"
)

// campaign is a series of episodes. An episode begins and ends with a manager where all is
// in order.
type campaign struct {
	program, wrapper string // see openWorld
	options          usermanager.Options
	log              io.Writer
	verbose          bool
	counts           counts

	world *world // nil: none is open
}

// counts has how often each kind of step was taken, and how the audits ended.
type counts map[string]int

func (c counts) table(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps in %s: %.1f a second\n", c["steps"], took.Round(time.Second), float64(c["steps"])/took.Seconds())
	for _, name := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "  %6d  %s\n", c[name], name)
	}
	return b.String()
}

// planned is a step with the seed of what it draws.
type planned struct {
	step
	seed uint64
}

const auditStep = "audit"

// plan draws the steps of an episode: some attacks and an audit, several times.
func plan(rights string, seed uint64) (all []planned) {
	r := rand.New(rand.NewPCG(seed, 0))
	known := stepsOf(rights)
	sum := 0
	for _, s := range known {
		sum += s.weight
	}
	for range 1 + r.IntN(4) {
		for range 1 + min(r.IntN(4), r.IntN(4)) {
			n := r.IntN(sum)
			i := 0
			for ; n >= known[i].weight; i++ {
				n -= known[i].weight
			}
			all = append(all, planned{known[i], r.Uint64()})
		}
		if r.IntN(2) == 0 { // so that there is a reason to reload
			all = append(all, planned{steps[0], r.Uint64()})
		}
		all = append(all, planned{step{name: auditStep}, 0})
	}
	return all
}

// failure is an episode in which a promise was broken.
type failure struct {
	rights string
	seed   uint64
	steps  []planned // up to the audit that broke it
	what   []string
	log    string // what the last audit said
	least  bool   // without any of the steps it does not happen
}

func (f *failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "BROKEN by %s, -rights %s -seed %d:\n", f.rights, f.rights, f.seed)
	for _, what := range f.what {
		fmt.Fprintf(&b, "  %s\n", what)
	}
	fmt.Fprintf(&b, "steps (least: %t):\n", f.least)
	for _, s := range f.steps {
		fmt.Fprintf(&b, "  %s (%d)\n", s.name, s.seed)
	}
	return b.String() + f.log
}

// episode runs one episode. The error is one of the lab; a failure is one of the program.
func (c *campaign) episode(ctx context.Context, rights string, seed uint64) (*failure, error) {
	return c.play(ctx, rights, seed, plan(rights, seed))
}

func (c *campaign) play(ctx context.Context, rights string, seed uint64, steps []planned) (*failure, error) {
	w, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	w.rights, w.evil, w.planted = rights, 0, nil
	if err := w.forget(); err != nil {
		return nil, err
	}
	for i, s := range steps {
		what, a := c.take(w, s)
		if len(what) > 0 && ctx.Err() == nil {
			c.close()
			return &failure{rights: rights, seed: seed, steps: steps[:i+1], what: what, log: a.String()}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if w.hung {
			c.close()
			return nil, nil
		}
	}
	what, a, err := c.recover(w)
	if err != nil || len(what) > 0 {
		c.close()
	}
	if len(what) == 0 {
		return nil, err
	}
	return &failure{rights: rights, seed: seed, steps: steps, what: what, log: a.String()}, nil
}

// take takes one step, and returns the promises that were broken.
func (c *campaign) take(w *world, s planned) (broken []string, a *audited) {
	c.counts["steps"]++
	c.counts[s.name]++
	if s.name == auditStep {
		a, err := w.audit()
		c.note(a, err)
		if errors.Is(err, errBefore) {
			c.counts["managers that an attack hung"]++
			w.hung = true
			return nil, a
		}
		if err != nil {
			return c.lost(w, err), a
		}
		return w.judge(a, !w.rulesChanged), a
	}
	err := s.do(w, rand.New(rand.NewPCG(s.seed, 1)))
	if c.verbose {
		fmt.Fprintf(c.log, "%s: %v %q\n", s.name, err, w.planted)
	}
	if v := (violation{}); errors.As(err, &v) {
		return []string{v.string}, nil
	}
	if err != nil {
		c.counts["not possible"]++
	}
	return nil, nil
}

// lost says that the manager no longer answers.
func (c *campaign) lost(w *world, err error) []string {
	if w.ctx.Err() != nil {
		return nil
	}
	return []string{"the manager no longer answers: " + err.Error()}
}

// note counts how an audit ended.
func (c *campaign) note(a *audited, err error) {
	if a == nil || err != nil {
		return
	}
	if c.verbose {
		fmt.Fprintln(c.log, a)
	}
	if a.killed {
		c.counts["audits killed"]++
	} else {
		c.counts[fmt.Sprintf("audits with status %d", a.result.Code)]++
	}
	if len(a.after.undeclared) > 0 {
		c.counts["audits with something undeclared in force"]++
	}
	if a.report == nil {
		return
	}
	for _, action := range a.report.Actions {
		c.counts["action "+action.Action+" "+action.Status]++
	}
}

// timeBound are invariants about what happened within a time, which no clean-up undoes.
var timeBound = []string{"unit_not_flapping", "drift_not_repeating"}

// recover cleans up, and checks that audits find nothing then.
func (c *campaign) recover(w *world) (broken []string, a *audited, err error) {
	err = w.clean()
	s, asked := w.look()
	if asked != nil && w.ctx.Err() == nil { // it answered after the last audit
		c.counts["managers that an attack hung"]++
		c.close()
		return nil, nil, nil
	}
	if err := errors.Join(err, asked); err != nil {
		return nil, nil, fmt.Errorf("clean up: %w", err)
	}
	if wrong := w.wrong(s, ""); len(wrong) > 0 {
		c.counts["worlds that could not be cleaned"]++
		c.close()
		return nil, nil, nil
	}
	for range 3 {
		if a, err = w.audit(); err != nil {
			return c.lost(w, err), a, nil
		}
		c.counts["audits of a clean state"]++
		if broken = w.judge(a, true); len(broken) > 0 || a.result.Code == 0 || a.isTimeBound() {
			return broken, a, nil
		}
	}
	return []string{"all is cleaned up, and the third audit still finds something"}, a, nil
}

// isTimeBound reports whether all findings are about what happened earlier.
func (a *audited) isTimeBound() bool {
	if a.report == nil || a.report.ExitCode > 2 || len(a.report.Decisions) == 0 {
		return false
	}
	for _, d := range a.report.Decisions {
		if d.Effect != "allow" && !slices.Contains(timeBound, d.Invariant) {
			return false
		}
	}
	return true
}

// String says what an audit found and did.
func (a *audited) String() string {
	if a == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "audit: status %d, %s\n", a.result.Code, a.took.Round(time.Millisecond))
	if a.report == nil {
		return b.String() + fmt.Sprintf("%.1000s%.1000s\n", a.result.Out, a.result.Err)
	}
	for _, d := range a.report.Decisions {
		if d.Effect != "allow" {
			fmt.Fprintf(&b, "  %s %s %s/%s/%s: %.300q\n", d.Subject, d.Invariant, d.Effect, d.Severity, d.Outcome, d.Message)
		}
	}
	for _, x := range a.report.Actions {
		fmt.Fprintf(&b, "  %s %s %s %.300q\n", x.Action, x.Subject, x.Status, x.Message)
	}
	if len(a.report.Gaps) > 0 {
		fmt.Fprintf(&b, "  gaps %.500q\n", a.report.Gaps)
	}
	if a.after == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "  in force before %q\n  in force after  %q\n", slices.Sorted(maps.Keys(a.before.undeclared)), slices.Sorted(maps.Keys(a.after.undeclared)))
	return b.String()
}

func (c *campaign) open(ctx context.Context) (*world, error) {
	if c.world != nil {
		return c.world, nil
	}
	w, err := openWorld(ctx, c.program, c.wrapper, c.options)
	if err != nil {
		return nil, err
	}
	c.counts["managers"]++
	c.world = w
	return w, nil
}

func (c *campaign) close() {
	if c.world != nil {
		_ = c.world.conn.Close()
		if err := c.world.Close(); err != nil {
			fmt.Fprintln(c.log, err)
		}
		c.world = nil
	}
}

// shrinkLimit bounds how long the least steps are looked for.
const shrinkLimit = 2 * time.Minute

// shrink leaves out each step without which it still happens.
func (c *campaign) shrink(ctx context.Context, f *failure) {
	end := time.Now().Add(shrinkLimit)
	for i := len(f.steps) - 1; i >= 0; i-- {
		if time.Now().After(end) || ctx.Err() != nil {
			return
		}
		fewer := slices.Delete(slices.Clone(f.steps), i, i+1)
		if again, err := c.play(ctx, f.rights, f.seed, fewer); err == nil && again != nil {
			f.steps, f.what, f.log = again.steps, again.what, again.log
			i = min(i, len(f.steps))
		}
	}
	f.least = true
}
