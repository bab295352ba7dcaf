package enforce

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// The status of an action.
const (
	Planned = "planned" // observe mode: it was not run
	Done    = "done"    // the manager did it; whether it healed is decided afterwards
	Failed  = "failed"  // it was tried and did not succeed
	Refused = "refused" // by a guard or by the manager; nothing changed
)

// Action is a planned action and, later, its result.
type Action struct {
	Action     finding.Action `json:"action" jsonschema:"daemon-reload, reset-failed or restart"`
	Subject    string         `json:"subject" jsonschema:"a unit, or host for the manager as a whole"`
	Reasons    []Reason       `json:"reasons" jsonschema:"the findings that ask for it"`
	Status     string         `json:"status" jsonschema:"planned, done, failed or refused"`
	Message    string         `json:"message" jsonschema:"why it was refused or failed; empty otherwise"`
	DurationMS int64          `json:"duration_ms"`

	ID     int64           `json:"-"` // in the history; 0 if it was not started
	Before *facts.Document `json:"-"` // the facts that it is based on; nil if it was not tried
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

// Observation is a document and the result of the rules for it.
type Observation struct {
	Document *facts.Document
	Result   decide.Result

	isReloaded bool // assumes that a reload was done since then, see Preview
}

// Manager runs the actions. Each method returns when the action is done or has failed,
// or when its context ends.
type Manager interface {
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
}

// verb says how one action of [finding.Actions] is run. Each verb has its own file.
type verb struct {
	action finding.Action
	limit  time.Duration // for the new observation, the guards and the call together
	guard  guard
	do     func(ctx context.Context, m Manager, subject string) error
}

// verbs returns one verb for each of [finding.Actions], in the same order.
var verbs = []verb{reload, resetFailed, restart}

func verbOf(action finding.Action) (verb, error) {
	for _, v := range verbs {
		if v.action == action {
			return v, nil
		}
	}
	return verb{}, fmt.Errorf("unknown action %q; known: %v", action, finding.Actions())
}
