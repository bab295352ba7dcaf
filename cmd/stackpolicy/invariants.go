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

// invariants returns those of the policies in force. It loads them when they are
// first asked for, and never again.
type invariants func() []policy.Invariant

// inForce are the invariants of the policies that an audit would use. They are
// empty if these cannot be loaded: what audits saw can be shown without them.
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

// steps returns what to do about a finding.
func (list invariants) steps(f finding.Finding) []string { return steps(list())(f) }

// class returns the class of an invariant, or "" if it is unknown.
func (list invariants) class(id string) finding.Class {
	i := slices.IndexFunc(list(), func(x policy.Invariant) bool { return x.ID == id })
	if i < 0 {
		return ""
	}
	return list()[i].Class
}
