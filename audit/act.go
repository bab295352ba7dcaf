package audit

import (
	"context"

	"stackpolicy/enforce"
	"stackpolicy/facts"
)

// actResult is what an audit did, and what it observed afterwards.
type actResult struct {
	actions []enforce.Action
	after   *enforce.Observation // nil: nothing was tried, or it could not be observed again
	last    *facts.Document      // as last collected
	gaps    []Gap                // what could not be observed or recorded
}

// act runs the plan if the audit enforces, and otherwise says which actions
// would be refused.
func (r *run) act(ctx context.Context, plan []enforce.Action, first enforce.Observation) actResult {
	e := r.enforcer()
	if r.Manager == nil {
		return actResult{actions: e.Preview(plan, first), last: first.Document}
	}
	d := actResult{actions: e.Run(ctx, plan, first), last: first.Document}
	last := first
	if enforce.Touched(d.actions) {
		after, err := r.observe(ctx)
		if err != nil {
			d.gaps = []Gap{{"audit", "could not look again after acting: " + err.Error()}}
			return d
		}
		d.after, d.last, last = &after, after.Document, after
	}
	if err := e.Verify(ctx, d.actions, last); err != nil {
		d.gaps = []Gap{notRemembered(err)}
	}
	return d
}

func (r *run) enforcer() enforce.Enforcer {
	e := enforce.Enforcer{Manager: r.Manager, Settings: r.policies.Settings(), Observe: r.observe}
	if r.Store != nil {
		e.Ledger, e.Breakers = r.Store, r.Store
	}
	return e
}
