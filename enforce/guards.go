package enforce

import (
	"errors"
	"fmt"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// A guard returns an error if an action must not run on these facts, and nil if it may.
// Guards apply whatever the rules say. They only read: they get neither the manager nor the
// ledger.
type guard func(policy.Settings, Action, Observation) error

// commonGuards apply to every action, before its own guard.
var commonGuards = []guard{isStillAskedFor, factsAreComplete, managerIsReady, noActivation, isNotHeld, isRemembered, breakerIsClosed, withinBudget}

// isStillAskedFor refuses an action if none of its findings is still open.
func isStillAskedFor(_ policy.Settings, a Action, now Observation) error {
	for _, planned := range Plan(now.Result.Decisions) {
		if planned.Action == a.Action && planned.Subject == a.Subject {
			return nil
		}
	}
	return errors.New("it is no longer asked for: the facts changed since the audit began")
}

// factsAreComplete refuses if facts of systemd, the files or Home Manager are missing:
// every action needs them all. A document from elsewhere may lack a section although its
// collectors succeeded.
func factsAreComplete(_ policy.Settings, _ Action, now Observation) error {
	for _, name := range []string{"systemd", "files", "home-manager"} {
		if s := now.Document.Collectors[name]; !s.OK {
			return fmt.Errorf("the %s collector failed: %s", name, s.Error)
		}
	}
	if now.Document.Manager == nil || now.Document.Declared == nil {
		return errors.New("the facts lack the manager, or what is declared")
	}
	return nil
}

func managerIsReady(_ policy.Settings, _ Action, now Observation) error {
	if s := now.Document.Manager.State; s != "running" && s != "degraded" {
		return fmt.Errorf("the user manager is %s, not running", s)
	}
	return nil
}

// noActivation refuses while Home Manager rewrites links. At the end it reloads the
// manager itself.
func noActivation(_ policy.Settings, _ Action, now Observation) error {
	if s := now.Document.Declared.Activation.State; s == "running" || s == "half-finished" {
		return fmt.Errorf("a Home Manager activation is %s", s)
	}
	return nil
}

// isNotHeld refuses a unit that is under planned maintenance.
func isNotHeld(_ policy.Settings, a Action, now Observation) error {
	u := find(now.Document, a.Subject)
	if u == nil || u.History == nil {
		return nil
	}
	if hold := u.History.HeldAt(now.Document.CollectedAt); hold != nil {
		return fmt.Errorf("%s is held until %s: %s", a.Subject, hold.Until.UTC().Format(time.RFC3339), hold.Reason)
	}
	return nil
}

// provenance refuses a unit whose definition is not known to be the declared one:
// any open finding about where it comes from, or about what is loaded.
func provenance(unit string, result decide.Result) error {
	for _, d := range result.Decisions {
		about := d.Subject == unit || d.Subject == finding.Host && d.IsUnknown()
		if about && !d.IsAllowed() && d.Class == finding.ClassProvenance {
			return fmt.Errorf("the provenance of %s is not in order (%s): %s", unit, d.Invariant, d.Message)
		}
	}
	return nil
}

func find(doc *facts.Document, unit string) *facts.Unit {
	for i := range doc.Units {
		if doc.Units[i].Name == unit {
			return &doc.Units[i]
		}
	}
	return nil
}
