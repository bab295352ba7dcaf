// Package audit is one audit, from the facts to the report.
//
// Start at [Audit.Run], the pipeline: collect, decide, enforce, collect and
// decide again, record, tell. [OpenLive] opens the running system for it, and
// [Recorded] judges facts that were collected earlier.
package audit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/decide"
	"stackpolicy/enforce"
	"stackpolicy/facts"
)

// Audit says what to audit, by which policies, and what may be done about it.
type Audit struct {
	// Source gives the facts. Those of a [Recorded] one are judged, and nothing
	// else: it is not acted on, and not remembered.
	Source Source
	// Load loads the policies. It runs while facts are collected.
	Load func(context.Context) (*decide.Policies, error)
	// Units limits the report to these subjects; none is all.
	Units []string
	// Manager acts; nil observes.
	Manager enforce.Manager
	// Store remembers audits and actions. If it is nil, nothing is remembered, and
	// then nothing is done either.
	Store Store
	// Tell is called at the end of an audit of every unit of the running system, whether
	// or not it could be recorded; nil tells nobody.
	Tell func(context.Context, Result)
}

// Result is what an audit ended with.
type Result struct {
	Report     *Report
	Policies   *decide.Policies
	Remembered bool          // the audit was recorded
	Duration   time.Duration // first collection and loading included, recording not
}

// Run audits. An error means that there is nothing to report: policies or facts
// that cannot be read, a unit that is not known, or a context that ended.
func (a Audit) Run(ctx context.Context) (Result, error) {
	began := time.Now()
	policies, document, err := a.open(ctx)
	if err != nil {
		return Result{}, err
	}
	r := newRun(a, policies)
	first, err := r.decide(ctx, document)
	if err != nil {
		return Result{}, err
	}
	if r.subjects, err = subjects(a.Units, document); err != nil {
		return Result{}, err
	}
	acted := r.act(ctx, enforce.Plan(r.concerning(first)), first)
	report := r.report(first, acted)
	result := Result{Report: report, Policies: policies, Duration: time.Since(began)}
	if len(r.Units) == 0 { // only an audit of every unit can say that a finding is gone
		result.Remembered = r.record(ctx, result, acted.last)
		r.tell(ctx, result)
	}
	return result, nil
}

// open loads the policies while the first facts are collected.
func (a Audit) open(ctx context.Context) (policies *decide.Policies, document *facts.Document, err error) {
	var loading errgroup.Group
	loading.Go(func() (err error) {
		policies, err = a.Load(ctx)
		return err
	})
	document, unreadable := a.Source.Collect(ctx)
	if err := loading.Wait(); err != nil {
		return nil, nil, err
	}
	return policies, document, unreadable
}

// run is an audit under way.
type run struct {
	Audit
	policies *decide.Policies
	subjects []string // that are reported; none is all
}

func newRun(a Audit, policies *decide.Policies) *run {
	if _, recorded := a.Source.(Recorded); recorded {
		a.Manager, a.Store, a.Tell = nil, nil, nil
	}
	return &run{Audit: a, policies: policies}
}

func (r *run) decide(ctx context.Context, document *facts.Document) (enforce.Observation, error) {
	result, err := r.policies.Decide(ctx, document)
	if err != nil {
		return enforce.Observation{}, fmt.Errorf("decide: %w", err)
	}
	return enforce.Observation{Document: document, Result: result}, nil
}

// observe collects and decides.
func (r *run) observe(ctx context.Context) (enforce.Observation, error) {
	document, err := r.Source.Collect(ctx)
	if err != nil {
		return enforce.Observation{}, err
	}
	return r.decide(ctx, document)
}
