package enforce

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/finding"
)

// restart restarts a unit that runs.
var restart = verb{
	action: finding.Restart,
	limit:  10 * time.Minute,
	guard:  guardRestart,
	do:     func(ctx context.Context, m Manager, unit string) error { return m.Restart(ctx, unit) },
}

// guardRestart only allows a managed unit that runs, that the settings opt in, and whose
// definition is the declared one.
func guardRestart(e Enforcer, a Action, now Observation) error {
	u := find(now.Document, a.Subject)
	switch {
	case u == nil || !u.IsManaged() || u.Loaded == nil:
		return fmt.Errorf("%s is not a managed unit", a.Subject)
	case u.Loaded.ActiveState != "active":
		return fmt.Errorf("%s is %s: a stopped unit is never started", a.Subject, u.Loaded.ActiveState)
	case !e.Settings.MayRestart(a.Subject):
		return fmt.Errorf("%s is not opted in; list it under settings.restart of the policy folder", a.Subject)
	}
	return provenance(a.Subject, now.Result)
}
