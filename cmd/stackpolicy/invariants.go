package main

import (
	"context"
	"slices"
	"sync"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// invariants returns the invariants of the policies in use. It loads them at the first
// call only.
type invariants func() []policy.Invariant

// inForce returns the invariants of the policies that an audit would use. If these
// cannot be loaded it returns none: what audits found can be shown without them.
func (s *policySource) inForce(ctx context.Context) invariants {
	return loadOnce(func() (*decide.Policies, error) {
		c, err := cli.ReadConfig()
		if err != nil {
			return nil, err
		}
		return s.loadPolicies(ctx, c)
	})
}

func loadOnce(load func() (*decide.Policies, error)) invariants {
	return sync.OnceValue(func() []policy.Invariant {
		p, err := load()
		if err != nil {
			return nil
		}
		return p.Invariants()
	})
}

// steps returns the steps of the runbook for a finding.
func (list invariants) steps(f finding.Finding) []string { return steps(list())(f) }

// class returns the class of an invariant, or "" if it is unknown.
func (list invariants) class(id string) finding.Class {
	i := slices.IndexFunc(list(), func(x policy.Invariant) bool { return x.ID == id })
	if i < 0 {
		return ""
	}
	return list()[i].Class
}
