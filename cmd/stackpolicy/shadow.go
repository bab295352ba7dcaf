package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/fleet/rollout"
	"stackpolicy/internal/text"
)

// shadow lets the release that is to be the next one decide the facts of an audit, beside the
// rules in use. It acts on nothing and is not in the report. A nil shadow does nothing.
type shadow struct {
	host      rollout.Host
	config    config.Config
	env       collect.Environment
	active    *rollout.Release // nil: the rules in use come from no release
	candidate *rollout.Release // nil: no release is tried

	doc   *facts.Document // as first decided
	found []finding.Finding
	inUse *decide.Policies
}

// openShadow returns nil if the account uses no releases, or --policy names other rules. What is
// wrong with the releases stops no audit: it is written, and is a gap in the facts.
func (a *app) openShadow(c config.Config, env collect.Environment, errs io.Writer) *shadow {
	h, err := cli.Releases(c)
	if h == nil && err == nil || a.policyDir != "" {
		return nil
	}
	var s *shadow
	if err == nil {
		s = &shadow{host: *h, config: c, env: env, active: cli.ActiveRelease(a.policyDir, c)}
		s.candidate, err = h.Candidate()
	}
	if err != nil && !errors.Is(err, rollout.ErrDamaged) { // one that is damaged is fetched again
		fmt.Fprintf(errs, "stackpolicy: releases: %s\n", text.CleanBlock(err.Error()))
		return nil
	}
	return s
}

// decide decides as [decide.Policies.Decide], and keeps what was decided first.
func (s *shadow) decide(ctx context.Context, p *decide.Policies, doc *facts.Document) (decide.Result, error) {
	result, err := p.Decide(ctx, doc)
	if err == nil && s.doc == nil {
		s.doc, s.found, s.inUse = doc, result.Decisions, p
	}
	return result, err
}

// attach makes an audit keep what it decides.
func (s *shadow) attach(run *audit.Audit) {
	if s != nil {
		run.Decide = s.decide
	}
}

// end decides by the release that is tried, and records what that showed. It says if other rules
// decide from now on.
func (s *shadow) end(ctx context.Context, errs io.Writer) {
	if s == nil || s.doc == nil || ctx.Err() != nil {
		return
	}
	var tried, used rollout.Observed
	if s.active != nil && s.inUse.Source().Name == s.active.Rules {
		used = rollout.Compare(s.active.Plan.Version, nil, s.found)
	}
	if s.candidate != nil {
		tried = s.try(ctx)
	}
	if ctx.Err() != nil {
		return // what was interrupted is no failure of the rules
	}
	isChanged, err := s.host.Record(tried, used, time.Now())
	switch {
	case isHeld(err): // a release is being checked
	case err != nil:
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	case isChanged:
		fmt.Fprintln(errs, "stackpolicy: another release of rules decides from now on: stackpolicy policy status")
	}
}

// try decides by the release that is tried. An error is a failure of it.
func (s *shadow) try(ctx context.Context) rollout.Observed {
	ctx, end := context.WithCancel(ctx) // of the process that evaluates its rules
	defer end()
	o := rollout.Observed{Version: s.candidate.Plan.Version}
	p, err := cli.LoadPolicies(ctx, s.candidate.Rules, nil)
	if err != nil {
		o.Err = err
		return o
	}
	result, err := p.Decide(ctx, s.documentFor(ctx, p))
	if err != nil {
		o.Err = err
		return o
	}
	return rollout.Compare(o.Version, s.found, result.Decisions)
}

// documentFor returns the facts of the audit, with the sections that only these rules read.
func (s *shadow) documentFor(ctx context.Context, p *decide.Policies) *facts.Document {
	doc := *s.doc
	doc.Units, doc.Collectors = slices.Clone(doc.Units), maps.Clone(doc.Collectors)
	collect.AddOptional(ctx, s.env, &doc, func(section string) bool { return p.Reads(section) && !s.inUse.Reads(section) })
	return &doc
}
