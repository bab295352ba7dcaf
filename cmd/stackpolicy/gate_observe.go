package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/gate"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// gateRunner ends a gate of the running system.
type gateRunner struct {
	cmd    *cobra.Command
	flags  gateFlags
	before *facts.Document
	from   string
}

// end decides the facts before the change and those after it with the present rules.
func (g *gateRunner) end(wait time.Duration) (gate.Result, error) {
	ctx := g.cmd.Context()
	observer, err := g.observer()
	if err != nil {
		return gate.Result{}, err
	}
	before, err := observer.decide(ctx, g.before)
	if err != nil {
		return gate.Result{}, err
	}
	c, err := cli.ReadConfig()
	if err != nil {
		return gate.Result{}, err
	}
	cgroups, _ := regularfile.Read("/proc/self/cgroup", 1<<16)
	r, err := gate.Gate{
		Observer: observer, Before: before, From: g.from, Wait: wait, Settle: min(g.flags.settle, wait),
		Heals: c.Mode == config.Enforce, Grace: longestGrace(observer.policies), Except: []string{ownUnit(string(cgroups))},
		Progress: waitingFor(g.cmd.ErrOrStderr(), wait), Now: time.Now, Sleep: sleep,
	}.End(ctx)
	if cli.Terminal(g.cmd.ErrOrStderr()) {
		fmt.Fprint(g.cmd.ErrOrStderr(), "\r\x1b[K")
	}
	return r, err
}

func (g *gateRunner) observer() (observer, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return observer{}, err
	}
	policies, err := cli.LoadInUse(g.cmd.Context(), g.flags.policyDir, c, decide.NewMemory())
	return observer{policies}, err
}

// defaultGrace is that of lib/history.rego.
const defaultGrace = 15 * time.Minute

func longestGrace(p *decide.Policies) time.Duration {
	return slices.Max(append(slices.Collect(maps.Values(p.Settings().Grace)), defaultGrace))
}

// observer decides snapshots of the running system in observe mode, and remembers nothing.
type observer struct{ policies *decide.Policies }

// Observe takes a snapshot. The configuration is read each time: it may be part of the change.
func (o observer) Observe(ctx context.Context) (gate.Observation, error) {
	doc, err := gateSnapshot(ctx)
	if err != nil {
		return gate.Observation{}, err
	}
	return o.decide(ctx, doc)
}

// Decide decides a snapshot as of another time.
func (o observer) Decide(ctx context.Context, doc *facts.Document, at time.Time) (*audit.Report, error) {
	later := *doc
	later.CollectedAt = at
	observed, err := o.decide(ctx, &later)
	return observed.Report, err
}

func (o observer) decide(ctx context.Context, doc *facts.Document) (gate.Observation, error) {
	result, err := audit.Audit{
		Source: audit.Recorded(func() (*facts.Document, error) { return doc, nil }),
		Load:   func(context.Context) (*decide.Policies, error) { return o.policies, nil },
	}.Run(ctx)
	return gate.Observation{Report: result.Report, Document: doc}, err
}

func gateEnvironment() (collect.Environment, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return collect.Environment{}, err
	}
	return collect.OfProcess(c)
}

// gateSnapshot takes a whole snapshot, so that other rules can decide it later.
func gateSnapshot(ctx context.Context) (*facts.Document, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, err
	}
	return new(factSource).snapshot(ctx, nil, c)
}

// waitingFor says on a terminal what is waited for.
func waitingFor(w io.Writer, limit time.Duration) func(time.Duration, []gate.Waiting) {
	if !cli.Terminal(w) {
		return nil
	}
	return func(waited time.Duration, what []gate.Waiting) {
		words := "the verdict to stay the same"
		if len(what) > 0 {
			words = text.Clean(what[0].String())
		}
		if more := len(what) - 1; more > 0 {
			words += fmt.Sprintf(", and %d more", more)
		}
		line := fmt.Sprintf("%s of %s: waiting for %s", waited.Round(time.Second), text.Brief(limit), words)
		fmt.Fprintf(w, "\r%s\x1b[K", text.Clip(line, cli.Width(w)-1))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
