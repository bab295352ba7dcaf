// Command verifycost measures what one check of stackctl's verify costs, compared with one
// `podman ps --all --format json`, which is what a shell script would repeat instead:
//
//	verifycost UNIT BOUND
//
// It runs both in turn. It prints the medians of the elapsed time and of the processor
// time, which includes child processes, and exits with 1 if verify's is more than BOUND
// times the other. If podman's socket answers, the processor time of its service is not
// counted for either.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/podman"
	"stackpolicy/policies"
)

const (
	rounds = 15
	limit  = time.Minute
	gate   = "stack_running" // the invariant that verify evaluates
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "verifycost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: verifycost UNIT BOUND")
	}
	bound, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		return fmt.Errorf("bound: %w", err)
	}
	check, err := newCheck(ctx, args[0])
	if err != nil {
		return err
	}
	checks, lists, err := race(check, func() error {
		return exec.CommandContext(ctx, "podman", "ps", "--all", "--format", "json").Run()
	})
	if err != nil {
		return err
	}
	return errors.Join(
		compare("time", bound, checks, lists, func(c cost) time.Duration { return c.elapsed }),
		compare("processor", bound, checks, lists, func(c cost) time.Duration { return c.processor }),
	)
}

// newCheck returns a function that does what verify does in every check but the first:
// list the containers again, and evaluate the rule for the unit.
func newCheck(ctx context.Context, unit string) (func() error, error) {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return nil, err
	}
	rules, err := decide.Load(ctx, policies.FS, decide.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	rules = rules.Only(gate)
	env.Podman = podman.Of(env.RuntimeDir).Watch()
	doc := collect.Collect(ctx, env)
	doc.Units = slices.DeleteFunc(doc.Units, func(u facts.Unit) bool { return u.Name != unit })
	return func() error {
		collect.Relist(ctx, env, doc)
		if len(doc.Units) != 1 || len(doc.Units[0].Containers) == 0 {
			return fmt.Errorf("%s has no containers", unit)
		}
		_, err := rules.Decide(ctx, doc)
		return err
	}, nil
}

// cost is what one call costs.
type cost struct{ elapsed, processor time.Duration }

// race calls both in turn. The first call of each is not counted.
func race(a, b func() error) (as, bs []cost, err error) {
	for round := range rounds + 1 {
		ofA, errA := measure(a)
		ofB, errB := measure(b)
		if err := errors.Join(errA, errB); err != nil {
			return nil, nil, err
		}
		if round > 0 {
			as, bs = append(as, ofA), append(bs, ofB)
		}
	}
	return as, bs, nil
}

func measure(do func() error) (cost, error) {
	before, start := processor(), time.Now()
	err := do()
	return cost{time.Since(start), processor() - before}, err
}

// processor returns the processor time of this process and of its children that have
// ended.
func processor() (total time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if syscall.Getrusage(who, &used) == nil {
			total += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		}
	}
	return total
}

func compare(what string, bound float64, checks, lists []cost, of func(cost) time.Duration) error {
	check, list := median(checks, of), median(lists, of)
	ratio := float64(check) / float64(list)
	fmt.Printf("%s: check %v, podman ps %v, ratio %.2f\n", what, check, list, ratio)
	if ratio > bound {
		return fmt.Errorf("%s: %.2f is above %.2f", what, ratio, bound)
	}
	return nil
}

func median(costs []cost, of func(cost) time.Duration) time.Duration {
	values := []time.Duration{}
	for _, c := range costs {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
