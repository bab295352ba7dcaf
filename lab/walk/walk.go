package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stackpolicy/lab/usermanager"
)

// walk is a series of episodes with one watch, until there is a find.
type walk struct {
	program string
	options usermanager.Options
	only    string // part of the names of the steps; "" all
	log     io.Writer
	verbose bool
	counts  counts
	sizes   []int // of the watch's memory after each episode, in KiB
	slowest time.Duration

	world    *world        // nil: none is open
	patience time.Duration // how long it is looked whether a wrong watch is only late
	done     []string      // what the steps of the episode did
}

// counts has how often each kind of step was taken.
type counts map[string]int

func (w *walk) table(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps, %d comparisons in %s\n", w.counts["steps"], w.counts["comparisons"], took.Round(time.Second))
	fmt.Fprintf(&b, "the verdict was right at the latest %d ms after a step\n", w.slowest.Milliseconds())
	if n := len(w.sizes); n > 0 {
		fmt.Fprintf(&b, "memory of the watch (RSS, MiB): %d at the start, %d in the middle, %d at the end\n", w.sizes[0]>>10, w.sizes[n/2]>>10, w.sizes[n-1]>>10)
	}
	for _, name := range slices.Sorted(maps.Keys(w.counts)) {
		fmt.Fprintf(&b, "  %6d  %s\n", w.counts[name], name)
	}
	return b.String()
}

// planned is a step with the seed of what it draws.
type planned struct {
	step
	seed uint64
}

const compareStep = "compare"

// episodeSteps is how many changes an episode has. After it all is undone.
const episodeSteps = 30

// plan draws the steps of an episode: a change or a burst of them, and a comparison, many
// times.
func plan(seed uint64, only string) (all []planned) {
	r := rand.New(rand.NewPCG(seed, 0))
	open := 0 // about how many changes are not undone
	var known []step
	sum := 0
	for _, s := range steps {
		if strings.Contains(s.name, only) || s.name == undoStep {
			known = append(known, s)
			sum += s.weight
		}
	}
	for range episodeSteps {
		n := r.IntN(sum)
		i := 0
		for ; n >= known[i].weight; i++ {
			n -= known[i].weight
		}
		if known[i].name == undoStep {
			open -= 2
		}
		if open++; open < 0 {
			open = 0
			continue
		}
		all = append(all, planned{known[i], r.Uint64()})
		if r.IntN(5) < 3 {
			all = append(all, planned{step{name: compareStep}, 0})
		}
	}
	return append(all, planned{step{name: compareStep}, 0})
}

// find is an episode in which the watch was wrong.
type find struct {
	seed  uint64
	steps []planned // up to the comparison
	did   []string  // what they did, and the last ones before
	what  string
	least bool // without any of the steps it does not happen
}

func (f *find) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "FIND, -seed %d, steps (least: %t):\n", f.seed, f.least)
	for _, s := range f.steps {
		fmt.Fprintf(&b, "  %s (%d)\n", s.name, s.seed)
	}
	fmt.Fprintf(&b, "which did, after what was before:\n  %s\n", strings.Join(f.did, "\n  "))
	return b.String() + f.what
}

// episode runs one episode. The error is one of the lab; a find is one of the program.
func (w *walk) episode(ctx context.Context, seed uint64) (*find, error) {
	return w.play(ctx, seed, plan(seed, w.only))
}

func (w *walk) play(ctx context.Context, seed uint64, steps []planned) (*find, error) {
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	for i, s := range steps {
		what, err := w.take(s)
		if ctx.Err() != nil || err != nil {
			return nil, err
		}
		if what != "" {
			log := w.world.log()
			w.close()
			return &find{seed: seed, steps: steps[:i+1], did: w.done, what: what + log}, nil
		}
	}
	for w.world.undo(rand.New(rand.NewPCG(seed, 2))) == nil {
	}
	if err := w.world.restore(); err != nil {
		return nil, fmt.Errorf("clean up: %w", err)
	}
	what, err := w.take(planned{step{name: compareStep}, 0})
	if what != "" {
		what = "after all was undone:\n" + what + w.world.log()
		w.close()
		return &find{seed: seed, steps: steps, did: w.done, what: what}, nil
	}
	w.slowest = max(w.slowest, w.world.slowest)
	w.sizes = append(w.sizes, w.world.watch.memory())
	return nil, err
}

// take takes one step, and returns what is wrong after a comparison.
func (w *walk) take(s planned) (wrong string, err error) {
	if s.name == compareStep {
		w.counts["comparisons"]++
		start := time.Now()
		wrong, err := w.world.compare()
		if w.verbose {
			fmt.Fprintf(w.log, "  compared %d times in %d ms: %d findings\n", w.world.tries, time.Since(start).Milliseconds(), len(w.world.watch.verdict(nil)))
		}
		return wrong, err
	}
	w.counts["steps"]++
	w.counts[s.name]++
	w.world.did = ""
	err = s.do(w.world, rand.New(rand.NewPCG(s.seed, 1)))
	w.done = append(w.done[max(0, len(w.done)-keptLines):], fmt.Sprintf("%s %s: %.300s %v", time.Now().Format("15:04:05.000"), s.name, w.world.did, err))
	if w.verbose {
		fmt.Fprintln(w.log, w.done[len(w.done)-1])
	}
	if err != nil {
		w.counts["not possible"]++
	}
	return "", nil
}

func (w *walk) open(ctx context.Context) (err error) {
	if w.world != nil {
		return nil
	}
	w.done = nil
	if w.world, err = openWorld(ctx, w.program, w.options); err != nil {
		return err
	}
	w.counts["managers"]++
	w.world.patience = w.patience
	return nil
}

func (w *walk) close() {
	if w.world != nil {
		w.world.close()
		w.world = nil
	}
}

// shrinkLimit bounds how long the least steps are looked for.
const shrinkLimit = 2 * time.Minute

// shrink leaves out each step without which it still happens: first many at once, then single
// ones.
func (w *walk) shrink(ctx context.Context, f *find) {
	w.close()
	defer func(before time.Duration) { w.patience = before }(w.patience)
	w.patience = 0
	end := time.Now().Add(shrinkLimit)
	again := func(steps []planned) bool {
		w.close()
		got, err := w.play(ctx, f.seed, steps)
		w.close()
		if err != nil || got == nil {
			return false
		}
		f.steps, f.did, f.what = got.steps, got.did, got.what
		return true
	}
	if !again(f.steps) {
		f.what += "\nIt does not happen in another manager with these steps alone.\n"
		return
	}
	for size := len(f.steps) / 2; size > 0; size /= 2 {
		for i := len(f.steps) - size; i >= 0; i -= size {
			if time.Now().After(end) || ctx.Err() != nil {
				return
			}
			if i+size > len(f.steps) {
				continue
			}
			fewer := slices.Delete(slices.Clone(f.steps), i, i+size)
			if len(fewer) > 0 && fewer[len(fewer)-1].name != compareStep {
				fewer = append(fewer, planned{step{name: compareStep}, 0})
			}
			if len(fewer) < len(f.steps) {
				again(fewer)
			}
		}
	}
	f.least = true
}
