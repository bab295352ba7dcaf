package main

import (
	"context"
	"slices"
	"sync"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/internal/homemanager"
	"stackpolicy/report"
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

// steps returns what to do about a finding.
func (list invariants) steps(f finding.Finding) []string { return report.Steps(list(), account())(f) }

// account is the account that runs this, as far as that is known.
func account() policy.Account {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return policy.Account{Name: userName()}
	}
	g, err := homemanager.Current(homemanager.Roots(env.StateHome, env.Name))
	return policy.Account{Name: env.Name, NoHomeManager: g == nil && err == nil}
}

// class returns the class of an invariant, or "" if it is unknown.
func (list invariants) class(id string) finding.Class {
	i := slices.IndexFunc(list(), func(x policy.Invariant) bool { return x.ID == id })
	if i < 0 {
		return ""
	}
	return list()[i].Class
}
