// Package drill breaks things in a throwaway user manager, in each way that it knows, and
// shows what an audit with the operator's own rules makes of it: what it finds, misses, falsely
// accuses and heals. It changes nothing outside of that sandbox, and checks this.
//
// Start at [Run]. The ways to break things are in the files rows_*.go.
package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"stackpolicy/config"
	"stackpolicy/internal/text"
)

// Options say what is drilled.
type Options struct {
	Program string   // path of stackpolicy
	Policy  string   // policy folder; "": the built-in rules
	Only    []string // names of rows; empty: all

	ConfigHome string // $XDG_CONFIG_HOME of the operator
	Config     config.Config
	Outside    Outside

	// Progress is called after each row, from one goroutine at a time.
	Progress func(done, all int, name string)
}

// workers is how many scenes are used at once: an audit keeps one core busy.
const workers = 2

// Run drills the rows. An error says that no drill was possible; after an interruption it is
// the context's. Nothing is left of the sandbox in any case.
func Run(ctx context.Context, o Options) (Result, error) {
	start := time.Now()
	chosen, err := choose(o.Only)
	if err != nil {
		return Result{}, err
	}
	r, err := readRules(o.Policy, o.ConfigHome, o.Config)
	if err != nil {
		return Result{}, err
	}
	before := o.Outside.look(ctx)
	t := &troupe{options: o, rules: r, rows: chosen, done: map[string]Row{}, skipped: notDrilled()}
	if err := t.run(ctx); err != nil {
		return Result{}, err
	}
	result := Result{
		Schema: Schema, Rules: o.Policy, Systemd: t.systemd, Complete: len(o.Only) == 0, Rows: []Row{}, NotDrilled: t.skipped,
		Notes: append([]string{}, r.notes...), Outside: append([]string{}, before.differences(o.Outside.look(ctx))...),
	}
	for _, row := range chosen {
		if done, is := t.done[row.name]; is {
			result.Rows = append(result.Rows, done)
		}
	}
	result.conclude(t.invariants)
	result.TookMS = time.Since(start).Milliseconds()
	return result, ctx.Err()
}

// choose returns the rows of these names, in the order of the table.
func choose(names []string) ([]row, error) {
	for _, name := range names {
		if !slices.Contains(Rows(), name) {
			return nil, fmt.Errorf("no drill is called %q; %s", name, text.Known(name, Rows()))
		}
	}
	return slices.DeleteFunc(rows(), func(r row) bool { return len(names) > 0 && !slices.Contains(names, r.name) }), nil
}

// troupe drills rows on several stages at once.
type troupe struct {
	options Options
	rules   rules
	rows    []row

	mu         sync.Mutex
	next       int
	done       map[string]Row
	skipped    []Skipped
	invariants []string
	systemd    string
}

func (t *troupe) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := min(workers, runtime.NumCPU(), len(t.rows))
	errs := make(chan error, n)
	for range n {
		go func() {
			err := t.work(ctx)
			if err != nil {
				cancel()
			}
			errs <- err
		}()
	}
	var all []error
	for range n {
		if err := <-errs; err != nil && (len(all) == 0 || !errors.Is(err, context.Canceled)) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// take returns the next row; false if there are no more.
func (t *troupe) take() (row, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == len(t.rows) {
		return row{}, false
	}
	t.next++
	return t.rows[t.next-1], true
}

func (t *troupe) finish(r row, out Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[r.name] = out
	if t.options.Progress != nil {
		t.options.Progress(len(t.done), len(t.rows), r.name)
	}
}

func (t *troupe) skip(r row, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped = append(t.skipped, Skipped{r.name, reason})
	slices.SortStableFunc(t.skipped, func(a, b Skipped) int { return cmp.Compare(a.Name, b.Name) })
}

// work drills rows until there are no more. A stage that a row cannot leave as it was is
// replaced.
func (t *troupe) work(ctx context.Context) (err error) {
	var s *stage
	defer func() {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for {
		r, more := t.take()
		if !more {
			return nil
		}
		if s == nil {
			if s, err = t.open(ctx); err != nil {
				return err
			}
		}
		if r.needs != nil {
			if reason := r.needs(s); reason != "" {
				t.skip(r, reason)
				continue
			}
		}
		out, err := s.play(r)
		if err != nil {
			return err
		}
		t.finish(r, out)
		if r.all {
			continue
		}
		if isGood := false; !r.spoils {
			if isGood, err = s.restore(); err != nil && ctx.Err() != nil {
				return err
			}
			if isGood {
				continue
			}
		}
		err = s.Close()
		if s = nil; err != nil {
			return err
		}
	}
}

func (t *troupe) open(ctx context.Context) (*stage, error) {
	s, err := openStage(ctx, t.options, t.rules)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invariants, t.systemd = s.invariants, s.Version
	return s, nil
}
