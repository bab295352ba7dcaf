package enforce

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/finding"
)

// verb is how one action of the closed table in finding is done. Each has a file
// of its own.
type verb struct {
	action finding.Action
	limit  time.Duration // for the fresh observation, the guards and the call together
	guard  guard
	do     func(ctx context.Context, m Manager, subject string) error
}

// verbs has one for each of [finding.Actions], in their order.
var verbs = []verb{reload, resetFailed, restart}

func verbOf(action finding.Action) (verb, error) {
	for _, v := range verbs {
		if v.action == action {
			return v, nil
		}
	}
	return verb{}, fmt.Errorf("no action %q exists; there are %v", action, finding.Actions())
}
