// Package audit runs an audit, from the facts to the report.
//
// Start at [Audit.Run], the pipeline: collect, decide, enforce, collect and decide
// again, record. [OpenLive] opens the running system for it; [Recorded] reads facts
// that were collected earlier.
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

// Audit says what to audit, with which policies, and whether it may act.
type Audit struct {
	// Source collects the facts. An audit of a [Recorded] source only decides: it
	// runs no action and is not remembered.
	Source Source
	// Load loads the policies. It runs while facts are collected.
	Load func(context.Context) (*decide.Policies, error)
	// Decide decides a document; nil is [decide.Policies.Decide]. It may remember what it decided
	// before.
	Decide func(context.Context, *decide.Policies, *facts.Document) (decide.Result, error)
	// Units limits the report to these subjects; if it is empty, all are reported.
	Units []string
	// MaxAge bounds the age of recorded facts: older facts, and facts from the future,
	// are a gap. 0 accepts facts of any time.
	MaxAge time.Duration
	// Manager runs the actions; nil in observe mode.
	Manager enforce.Manager
	// Store remembers audits and actions. If it is nil, nothing is remembered and no
	// action is run.
	Store Store
	// Announce, if not nil, is called at the end of an audit of all units of the running
	// system, whether or not it could be recorded.
	Announce func(context.Context, Result)
}

// Result is the result of an audit.
type Result struct {
	Report     *Report
	Policies   *decide.Policies
	Document   *facts.Document // as first collected
	Remembered bool            // the audit was recorded
	Duration   time.Duration   // includes loading and the first collection, not recording
}

// Run audits. An error means that there is nothing to report: the policies or facts
// cannot be read, a unit is not known, or the context ended.
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
	for _, g := range tooOld(document.CollectedAt, began, r.MaxAge) {
		report.addGap(g)
	}
	result := Result{Report: report, Policies: policies, Document: document, Duration: time.Since(began)}
	if len(r.Units) == 0 { // only an audit of all units can find out that a finding is gone
		result.Remembered = r.record(ctx, result, acted.last)
		if r.Announce != nil {
			r.Announce(ctx, result)
		}
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
	addOptional(ctx, a.Source, policies, document)
	return policies, document, unreadable
}

// run is an audit that is running.
type run struct {
	Audit
	policies *decide.Policies
	subjects []string // to report; all if it is empty
	given    bool     // the facts are [Recorded] ones
}

func newRun(a Audit, policies *decide.Policies) *run {
	_, given := a.Source.(Recorded)
	if given {
		a.Manager, a.Store, a.Announce = nil, nil, nil
	}
	if a.Decide == nil {
		a.Decide = func(ctx context.Context, p *decide.Policies, doc *facts.Document) (decide.Result, error) {
			return p.Decide(ctx, doc)
		}
	}
	return &run{Audit: a, policies: policies, given: given}
}

func (r *run) decide(ctx context.Context, document *facts.Document) (enforce.Observation, error) {
	result, err := r.Decide(ctx, r.policies, document)
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
	addOptional(ctx, r.Source, r.policies, document)
	return r.decide(ctx, document)
}
