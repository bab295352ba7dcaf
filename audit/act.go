package audit

import (
	"context"

	"stackpolicy/enforce"
)

// actResult has what an audit did and what it observed afterwards.
type actResult struct {
	actions []enforce.Action
	after   *enforce.Observation // nil: no action was tried, or observing again failed
	last    enforce.Observation  // the last one: after, or else the first
	gaps    []Gap                // failures to observe again or to record
	brought []enforce.Brought    // undeclared files that our own reload brought in force
}

// act runs the plan if the audit enforces. Otherwise it marks the actions that would
// be refused.
func (r *run) act(ctx context.Context, plan []enforce.Action, first enforce.Observation) actResult {
	e := r.enforcer()
	if r.Manager == nil {
		return actResult{actions: e.Preview(plan, first), last: first}
	}
	d := actResult{actions: e.Run(ctx, plan, first), last: first}
	if enforce.Touched(d.actions) {
		after, err := r.observe(ctx)
		if err != nil {
			d.gaps = []Gap{{"audit", "could not collect again after acting: " + err.Error()}}
			return d
		}
		d.after, d.last = &after, after
		for _, a := range d.actions {
			d.brought = append(d.brought, a.Brings(after.Document)...)
		}
	}
	if err := e.Verify(ctx, d.actions, d.last); err != nil {
		d.gaps = []Gap{notRemembered(err)}
	}
	return d
}

func (r *run) enforcer() enforce.Enforcer {
	e := enforce.Enforcer{Manager: r.Manager, Settings: r.policies.Settings(), Observe: r.observe}
	if r.Store != nil {
		e.Ledger, e.Breakers = r.Store, r.Store
	}
	if s, ok := r.Source.(rechecker); ok {
		e.Unchanged = s.Unchanged
	}
	return e
}
