package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Breakers remembers which subjects are not healed for a while, because heals did not
// help.
type Breakers interface {
	Recall(ctx context.Context, now time.Time) (facts.Memory, error)
	OpenBreaker(ctx context.Context, subject, reason string, at, until time.Time) error
}

// Touched reports whether an action was tried. If not, the first facts of the audit are
// still valid.
func Touched(actions []Action) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Status != Refused })
}

// Verify records whether each action that was tried has healed its findings, as observed
// after all actions. It opens the breakers of subjects whose heals do not help or are
// asked for too often. The error joins everything that could not be recorded.
func (e Enforcer) Verify(ctx context.Context, actions []Action, after Observation) error {
	var errs []error
	for _, a := range actions {
		if a.ID == 0 || a.Status == Refused {
			continue
		}
		errs = append(errs, e.Ledger.Verified(ctx, a.ID, a.healed(after), after.Document))
	}
	return errors.Join(append(errs, e.openBreakers(ctx, actions, after))...)
}

// healed reports whether the action was done, brought no undeclared file in force, and
// all findings that asked for it are gone.
func (a Action) healed(after Observation) bool {
	return a.Status == Done && len(a.Brings(after.Document)) == 0 && !slices.ContainsFunc(after.Result.Decisions, func(f finding.Finding) bool {
		return !f.IsAllowed() && a.IsFor(f)
	})
}

func (e Enforcer) openBreakers(ctx context.Context, actions []Action, after Observation) error {
	if e.Breakers == nil {
		return nil
	}
	now := after.Document.CollectedAt
	memory, err := e.Breakers.Recall(ctx, now)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range actions {
		if why := e.whyOpen(a, a.healed(after), memory.Subjects[a.Subject].Heals); why != "" {
			errs = append(errs, e.Breakers.OpenBreaker(ctx, a.Subject, why, now, now.Add(e.Settings.Breaker.Cooldown)))
		}
	}
	return errors.Join(errs...)
}

// whyOpen returns the reason why the breaker of an action's subject must open, or "": too
// many actions failed in a day, or more are asked for than the budget allows. heals
// already counts this action.
func (e Enforcer) whyOpen(a Action, healed bool, heals []facts.HealCount) string {
	failed := 0
	for _, h := range heals {
		if h.Invariant == "" {
			failed += h.Failed24h
		}
	}
	budget := e.Settings.Budget.Unit
	if a.Subject == finding.Host {
		budget = e.Settings.Budget.Host
	}
	switch {
	case a.Status != Refused && !healed && failed >= e.Settings.Breaker.Failures:
		return fmt.Sprintf("%d actions on it failed or healed nothing within a day", failed)
	case a.Status == Refused && spent(heals, e.Settings.Budget.Window) >= budget:
		return fmt.Sprintf("its budget of %d actions within %s is used up, and more are asked for", budget, e.Settings.Budget.Window)
	}
	return ""
}
