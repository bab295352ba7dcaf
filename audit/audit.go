// Package audit is the pipeline, read top to bottom: collect, decide, enforce,
// collect again, decide again. What comes out is a [Report].
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Audit is one run to be done.
type Audit struct {
	Policies *decide.Policies
	// Collect takes a snapshot of the live system.
	Collect func(context.Context) *facts.Document
	// Document is judged instead of a snapshot when it is set; nothing is
	// enforced then.
	Document *facts.Document
	// Units limits the report to these subjects; none is all.
	Units []string
	// Manager acts; nil observes.
	Manager enforce.Manager
	// Store remembers what was found and done; nil remembers nothing, and then
	// nothing is done either.
	Store Store
}

// Run does the audit. An error means that there is nothing to report: a unit
// that is not known, or a policy evaluation that could not even begin.
func (a Audit) Run(ctx context.Context) (*Report, error) {
	begin := time.Now()
	first, err := a.observe(ctx)
	if err != nil {
		return nil, err
	}
	units, err := subjects(a.Units, first)
	if err != nil {
		return nil, err
	}
	r := a.report(first, units)
	r.Actions = enforce.Plan(r.Decisions)
	if a.acts() {
		a.enforce(ctx, r, first, units)
	} else {
		r.Actions = a.enforcer().Preview(r.Actions, first)
	}
	setOutcomes(r)
	r.ExitCode = ExitCode(r.Gaps, r.Decisions)
	a.remember(ctx, r, time.Since(begin))
	return r, nil
}

// acts: on the live system alone, and only with someone to act.
func (a Audit) acts() bool { return a.Manager != nil && a.Document == nil }

func (a Audit) observe(ctx context.Context) (enforce.Observation, error) {
	doc := a.Document
	if doc == nil {
		doc = a.Collect(ctx)
	}
	result, err := a.Policies.Decide(ctx, doc)
	if err != nil {
		return enforce.Observation{}, fmt.Errorf("decide: %w", err)
	}
	return enforce.Observation{Document: doc, Result: result}, nil
}

func (a Audit) report(o enforce.Observation, units []string) *Report {
	mode := config.Observe
	if a.acts() {
		mode = config.Enforce
	}
	r := &Report{
		Schema: ReportSchema, CollectedAt: o.Document.CollectedAt, Mode: mode,
		Policy: Policy{Digest: a.Policies.Digest(), Invariants: []string{}},
		Gaps:   gaps(o), Decisions: about(o.Result.Decisions, units), Actions: []enforce.Action{},
		last: o.Document,
	}
	for _, i := range a.Policies.Invariants() {
		r.Policy.Invariants = append(r.Policy.Invariants, i.ID)
	}
	return r
}

func (a Audit) enforcer() enforce.Enforcer {
	e := enforce.Enforcer{Manager: a.Manager, Settings: a.Policies.Settings(), Observe: a.observe}
	if a.Store != nil {
		e.Ledger = a.Store
	}
	return e
}

// enforce acts, looks again, and adds to the report what only then came up.
// When it cannot look again, nothing counts as healed.
func (a Audit) enforce(ctx context.Context, r *Report, first enforce.Observation, units []string) {
	r.Actions = a.enforcer().Run(ctx, r.Actions, first)
	if !slices.ContainsFunc(r.Actions, func(x enforce.Action) bool { return x.Status != enforce.Refused }) {
		a.trip(ctx, r, first.Result) // nothing was touched
		return
	}
	after, err := a.observe(ctx)
	if err != nil {
		r.Gaps = append(r.Gaps, Gap{"audit", "could not look again after acting: " + err.Error()})
		return
	}
	r.after, r.last = about(after.Result.Decisions, units), after.Document
	a.verified(ctx, r, after)
	a.trip(ctx, r, after.Result)
	r.Gaps = mergeGaps(r.Gaps, gaps(after))
	// Dependents count too: a finding on any unit that was not there before.
	for _, d := range after.Result.Decisions {
		if !d.IsAllowed() && !standsIn(first.Result.Decisions, d) {
			d.Evidence["appeared_after"] = actionNames(r.Actions)
			r.Decisions = append(r.Decisions, d)
		}
	}
}

// standsIn: the same invariant already had a finding on the same subject that
// was as bad.
func standsIn(decisions []finding.Finding, d finding.Finding) bool {
	return slices.ContainsFunc(decisions, func(x finding.Finding) bool {
		same := x.Invariant == d.Invariant && x.Subject == d.Subject && !x.IsAllowed()
		return same && x.Level() >= d.Level()
	})
}

// actionNames are the kinds of actions that were tried.
func actionNames(actions []enforce.Action) string {
	var names []string
	for _, a := range actions {
		if a.Status != enforce.Refused && !slices.Contains(names, string(a.Action)) {
			names = append(names, string(a.Action))
		}
	}
	return strings.Join(names, ", ")
}

// subjects checks the names an operator gave: one that is not known would
// check nothing, and pass.
func subjects(names []string, o enforce.Observation) ([]string, error) {
	known := []string{finding.Host}
	for _, u := range o.Document.Units {
		if u.IsManaged() {
			known = append(known, u.Name)
		}
	}
	if o.Document.Manager != nil {
		known = append(known, o.Document.Manager.FailedNoFile...)
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(known, n) && slices.Contains(known, n+".service") {
			n += ".service"
		}
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%q is not managed; known are: %s", n, strings.Join(known, ", "))
		}
		out = append(out, n)
	}
	return out, nil
}

// about keeps the decisions on the given subjects, and those that could not be
// made at all; no subjects keeps all.
func about(decisions []finding.Finding, subjects []string) []finding.Finding {
	kept := make([]finding.Finding, 0, len(decisions))
	for _, d := range decisions {
		if len(subjects) == 0 || slices.Contains(subjects, d.Subject) || d.IsUnknown() {
			kept = append(kept, d)
		}
	}
	return kept
}
