package enforce

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// A guard tells why an action must not run on these facts; nil is consent.
// Guards hold whatever the rules say.
type guard func(Enforcer, Action, Observation) error

// commonGuards come before an action's own.
var commonGuards = []guard{stillAsked, lookedEverywhere, managerReady, noActivation, remembered, breakerClosed, withinBudget}

// stillAsked: the finding is still there, with the same action.
func stillAsked(_ Enforcer, a Action, now Observation) error {
	for _, planned := range Plan(now.Result.Decisions) {
		if planned.Action == a.Action && planned.Subject == a.Subject {
			return nil
		}
	}
	return errors.New("it is no longer asked for: the facts changed since the audit began")
}

// lookedEverywhere: an action rests on what systemd, the files and Home Manager
// say together. A document from elsewhere may lack a section all the same.
func lookedEverywhere(_ Enforcer, _ Action, now Observation) error {
	for _, name := range []string{"systemd", "files", "home-manager"} {
		if s := now.Document.Collectors[name]; !s.OK {
			return fmt.Errorf("the %s collector could not look: %s", name, s.Error)
		}
	}
	if now.Document.Manager == nil || now.Document.Declared == nil {
		return errors.New("the facts lack the manager, or what is declared")
	}
	return nil
}

func managerReady(_ Enforcer, _ Action, now Observation) error {
	if s := now.Document.Manager.State; s != "running" && s != "degraded" {
		return fmt.Errorf("the user manager is %s, not running", s)
	}
	return nil
}

// noActivation: Home Manager is rewriting links, and reloads by itself at its
// end.
func noActivation(_ Enforcer, _ Action, now Observation) error {
	if s := now.Document.Declared.Activation.State; s == "running" || s == "half-finished" {
		return fmt.Errorf("a Home Manager activation is %s", s)
	}
	return nil
}

// guardReload: a reload reads whatever is on disk, for every unit.
func guardReload(_ Enforcer, _ Action, now Observation) error {
	for _, u := range now.Document.Units {
		if !u.IsManaged() || u.Template {
			continue
		}
		switch {
		case u.Reload == nil:
			return fmt.Errorf("what a reload would do to %s is not known", u.Name)
		case len(u.Reload.LoadsUndeclared) > 0:
			return fmt.Errorf("a reload would load what is not declared for %s: %s", u.Name, some(u.Reload.LoadsUndeclared))
		case len(u.Reload.DropsDeclared) > 0:
			return fmt.Errorf("a reload would drop what is declared for %s: %s", u.Name, some(u.Reload.DropsDeclared))
		}
	}
	return nil
}

func some(paths []string) string {
	if more := len(paths) - 2; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:2], ", "), more)
	}
	return strings.Join(paths, ", ")
}

// guardResetFailed: only failed units, managed or gone for good.
func guardResetFailed(_ Enforcer, a Action, now Observation) error {
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

// guardRestart: a managed unit that runs, that the operator opted in, and whose
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

// provenance: where a unit's definition comes from is in order, and what is
// loaded is that definition.
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
