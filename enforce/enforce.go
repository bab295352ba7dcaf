// Package enforce runs the heals that rules ask for, if they are safe. There are only the
// actions of [finding.Actions]. Each is checked against new facts right before it runs,
// and refused if in doubt. No action starts a stopped unit, writes or deletes a unit
// file, or rebuilds anything.
//
// Start at [Plan], [Enforcer.Run] and [Enforcer.Verify], which an audit calls in this
// order. In observe mode it calls [Enforcer.Preview] instead of Run.
package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/systemd"
)

// Ledger remembers actions. When Intend returns, the action and the facts that it is
// based on are on disk.
type Ledger interface {
	Intend(ctx context.Context, a history.Action, before *facts.Document) (id int64, err error)
	Conclude(ctx context.Context, id int64, status, message string, durationMS int64) error
	Verified(ctx context.Context, id int64, healed bool, after *facts.Document) error
}

// Enforcer acts on one user manager.
type Enforcer struct {
	Manager  Manager
	Ledger   Ledger   // nil: every action is refused
	Breakers Breakers // nil: no breaker opens
	Settings policy.Settings
	// Observe collects and decides again.
	Observe func(context.Context) (Observation, error)
	// Unchanged checks again, right before the manager is called, and returns an error
	// that names the file that has changed since the document was collected. If it is
	// nil, there is no such check.
	Unchanged func(context.Context, *facts.Document) error
}

// maxPerVerb bounds how often one audit runs the same action. If more are asked for, the
// cause is larger, and a person should find it first.
const maxPerVerb = 10

// Plan returns the actions that heals ask for, in the order in which they run: one for
// all findings if the action is manager-wide, otherwise one for each unit. Waived heals
// ask for nothing.
func Plan(findings []finding.Finding) []Action {
	actions := []Action{}
	for _, action := range finding.Actions() {
		at := map[string]int{}
		for _, f := range findings {
			if !f.AsksFor(action) {
				continue
			}
			subject := action.Target(f.Subject)
			i, ok := at[subject]
			if !ok {
				i, at[subject] = len(actions), len(actions)
				actions = append(actions, Action{Action: action, Subject: subject, Status: Planned, Reasons: []Reason{}})
			}
			actions[i].Reasons = append(actions[i].Reasons, Reason{f.Invariant, f.Subject})
		}
	}
	return actions
}

// Run runs the planned actions and returns them with their status. Before each one,
// facts are collected and decided again: it only runs if its finding is still open and
// every guard allows it.
func (e Enforcer) Run(ctx context.Context, actions []Action, first Observation) []Action {
	done := make([]Action, 0, len(actions))
	count := map[finding.Action]int{}
	for _, a := range actions {
		start := time.Now()
		err := bounded(count, a)
		if err == nil {
			err = e.act(ctx, &a, first)
		}
		a.Status, a.Message = outcome(err)
		a.DurationMS = time.Since(start).Milliseconds()
		done = append(done, e.concluded(ctx, a))
	}
	return done
}

// bounded counts an action, and refuses it if there were too many of the same kind.
func bounded(count map[finding.Action]int, a Action) error {
	if count[a.Action]++; count[a.Action] > maxPerVerb {
		return refusal{fmt.Errorf("more than %d of these in one audit: find the cause first, then audit again", maxPerVerb)}
	}
	return nil
}

// act runs the action, and records in it the facts that it is based on.
func (e Enforcer) act(ctx context.Context, a *Action, first Observation) error {
	v, err := verbOf(a.Action)
	if err != nil {
		return refusal{err}
	}
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	now, err := e.settled(ctx, first)
	if err != nil {
		return refusal{fmt.Errorf("facts could not be read again: %w", err)}
	}
	if err := permit(e.Settings, v, *a, now); err != nil {
		return err
	}
	id, err := e.intend(ctx, *a, now)
	if err != nil {
		return refusal{fmt.Errorf("it could not be recorded, so it was not run: %w", err)}
	}
	a.ID = id
	if err := e.lastLook(ctx, now.Document); err != nil {
		return refusal{err}
	}
	a.Before = now.Document
	err = v.do(ctx, e.Manager, a.Subject)
	if errors.Is(err, systemd.ErrRateLimited) {
		return refusal{fmt.Errorf("%w; the next audit tries again", err)}
	}
	return err
}

// lastLook checks the files again, as late as possible: files can change while the rules
// decide and the action is recorded.
func (e Enforcer) lastLook(ctx context.Context, doc *facts.Document) error {
	if e.Unchanged == nil {
		return nil
	}
	return e.Unchanged(ctx, doc)
}

// intend records the action before it runs, so that it counts against the budget even if
// this process is killed.
func (e Enforcer) intend(ctx context.Context, a Action, now Observation) (int64, error) {
	if e.Ledger == nil {
		return 0, errors.New("there is no memory of actions")
	}
	intent := history.Action{At: time.Now(), Action: a.Action, Subject: a.Subject}
	for _, d := range now.Result.Decisions {
		if d.Effect == finding.Heal && d.Action == a.Action && a.IsFor(d) {
			intent.Reasons = append(intent.Reasons, history.Reason{Invariant: d.Invariant, Subject: d.Subject, Case: d.Case()})
		}
	}
	return e.Ledger.Intend(ctx, intent, now.Document)
}

func (e Enforcer) concluded(ctx context.Context, a Action) Action {
	if a.ID == 0 {
		return a
	}
	ctx = context.WithoutCancel(ctx) // the result is recorded even if the audit was interrupted
	if err := e.Ledger.Conclude(ctx, a.ID, a.Status, a.Message, a.DurationMS); err != nil {
		a.Message = strings.TrimPrefix(fmt.Sprintf("%s; how it ended could not be recorded: %v", a.Message, err), "; ")
	}
	return a
}

// permit returns the error of the first guard that refuses, or nil.
func permit(settings policy.Settings, v verb, a Action, now Observation) error {
	for _, g := range append(slices.Clone(commonGuards), v.guard) {
		if err := g(settings, a, now); err != nil {
			return refusal{err}
		}
	}
	return nil
}

// Preview returns the planned actions, and marks those that the guards would refuse
// on these facts. It assumes that earlier actions succeed, so the findings they heal
// do not block later ones. It changes nothing.
func (e Enforcer) Preview(actions []Action, o Observation) []Action {
	previewed := slices.Clone(actions)
	count := map[finding.Action]int{}
	for i, a := range previewed {
		v, err := verbOf(a.Action)
		if err == nil {
			err = bounded(count, a)
		}
		if err == nil {
			err = permit(e.Settings, v, a, o)
		}
		if err != nil {
			previewed[i].Status, previewed[i].Message = Refused, err.Error()
			continue
		}
		o.isReloaded = o.isReloaded || a.Action == finding.DaemonReload
		o.Result.Decisions = slices.DeleteFunc(slices.Clone(o.Result.Decisions), func(d finding.Finding) bool {
			return d.Effect == finding.Heal && d.Action == a.Action && a.Action.Target(d.Subject) == a.Subject
		})
	}
	return previewed
}

// refusal is an error that means that nothing was changed.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func outcome(err error) (status, message string) {
	var r refusal
	switch {
	case err == nil:
		return Done, ""
	case errors.As(err, &r):
		return Refused, err.Error()
	default:
		return Failed, err.Error()
	}
}
