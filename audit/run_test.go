package audit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
)

// The duration includes the first collection, because podman may take seconds. Policies
// are loaded at the same time, so they do not add to it.
func TestDuration(t *testing.T) {
	cases := map[string]struct {
		collecting, loading, want time.Duration
	}{
		"collecting is slow": {3 * time.Second, time.Second, 3 * time.Second},
		"loading is slow":    {time.Second, 4 * time.Second, 4 * time.Second},
	}
	p, doc := builtin(t), recorded(t, "good")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &memory{}
				a := Audit{Store: store}
				a.Source = system(func() *facts.Document {
					time.Sleep(c.collecting)
					return doc
				})
				a.Load = func(context.Context) (*decide.Policies, error) {
					time.Sleep(c.loading)
					return p, nil
				}
				result, err := a.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if result.Duration != c.want || store.record.DurationMS != c.want.Milliseconds() {
					t.Errorf("took %s, and %d ms in the history; want %s", result.Duration, store.record.DurationMS, c.want)
				}
			})
		})
	}
}

// Without policies or facts nothing is reported or recorded. If both fail, the error is
// that of the policies, because a person edits them.
func TestNothingToReport(t *testing.T) {
	badPolicies, badFacts := errors.New("rule.rego:3: no METADATA"), errors.New("facts.json: no JSON")
	cases := map[string]struct {
		policies, facts, want error
	}{
		"policies":           {badPolicies, nil, badPolicies},
		"facts":              {nil, badFacts, badFacts},
		"policies and facts": {badPolicies, badFacts, badPolicies},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store := &memory{}
			a := Audit{Store: store, Source: unreadable{c.facts, recorded(t, "good")}}
			a.Load = func(context.Context) (*decide.Policies, error) { return builtin(t), c.policies }
			result, err := a.Run(t.Context())
			if !errors.Is(err, c.want) || result.Report != nil || len(store.calls) > 0 {
				t.Errorf("got %v and %+v, and the memory was called for %q", err, result, store.calls)
			}
		})
	}
}

type unreadable struct {
	err error
	doc *facts.Document
}

func (u unreadable) Collect(context.Context) (*facts.Document, error) { return u.doc, u.err }
