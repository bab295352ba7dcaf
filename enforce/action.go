package enforce

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/finding"
)

// What became of an action.
const (
	Planned = "planned" // observe mode: nothing was done
	Done    = "done"    // the manager did it; whether it healed is decided afterwards
	Failed  = "failed"  // it was tried and did not succeed
	Refused = "refused" // a guard held it back, or the manager did; nothing changed
)

// Action is one thing to do, and later what became of it.
type Action struct {
	Action     finding.Action `json:"action" jsonschema:"daemon-reload, reset-failed or restart"`
	Subject    string         `json:"subject" jsonschema:"a unit, or host for the manager as a whole"`
	Reasons    []Reason       `json:"reasons" jsonschema:"the findings that ask for it"`
	Status     string         `json:"status" jsonschema:"planned, done, failed or refused"`
	Message    string         `json:"message" jsonschema:"why it was refused or failed; empty otherwise"`
	DurationMS int64          `json:"duration_ms"`

	ID int64 `json:"-"` // in the history; 0 if it was not begun
}

// Reason is a finding that asks for an action.
type Reason struct {
	Invariant string `json:"invariant"`
	Subject   string `json:"subject"`
}

// IsFor reports whether the finding is one of the action's reasons.
func (a Action) IsFor(f finding.Finding) bool {
	return slices.Contains(a.Reasons, Reason{f.Invariant, f.Subject})
}

// Manager does the actions. Each method returns when the action is done or has
// failed, and respects its context.
type Manager interface {
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
}

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
