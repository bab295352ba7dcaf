package enforce

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// resetFailed lets the manager forget that a unit failed.
var resetFailed = verb{
	action: finding.ResetFailed,
	limit:  30 * time.Second,
	guard:  guardResetFailed,
	do:     func(ctx context.Context, m Manager, unit string) error { return m.ResetFailed(ctx, unit) },
}

// guardResetFailed only allows failed units that are managed or no longer have a file.
func guardResetFailed(_ policy.Settings, a Action, now Observation) error {
	u := find(now.Document, a.Subject)
	if u == nil || !u.IsManaged() {
		if slices.Contains(now.Document.Manager.FailedNoFile, a.Subject) {
			return nil
		}
		return fmt.Errorf("%s is neither managed nor a failed unit without a file", a.Subject)
	}
	if u.Loaded == nil || u.Loaded.ActiveState != "failed" {
		return fmt.Errorf("%s is not failed", a.Subject)
	}
	return provenance(a.Subject, now.Result)
}
