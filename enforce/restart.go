package enforce

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
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
func guardRestart(settings policy.Settings, a Action, now Observation) error {
	u := find(now.Document, a.Subject)
	switch {
	case u == nil || !u.IsManaged() || u.Loaded == nil:
		return fmt.Errorf("%s is not a managed unit", a.Subject)
	case u.Loaded.ActiveState != "active":
		return fmt.Errorf("%s is %s: a stopped unit is never started", a.Subject, u.Loaded.ActiveState)
	case !settings.MayRestart(a.Subject):
		return fmt.Errorf("%s is not opted in; list it under settings.restart of the policy folder", a.Subject)
	}
	if err := canBeApplied(*u, now.Document); err != nil {
		return err
	}
	if err := isDeclared(*u, now.isReloaded); err != nil {
		return err
	}
	if err := startsNothingElse(*u, now.Document); err != nil {
		return err
	}
	return provenance(a.Subject, now.Result)
}

// canBeApplied refuses a stack whose preflight is known to refuse the start, or would if
// its files were known: the restart would only stop it.
func canBeApplied(u facts.Unit, doc *facts.Document) error {
	if s, asked := doc.Collectors["applied"]; asked && !s.OK {
		return fmt.Errorf("it is not known whether %s can be applied: %s", u.Name, s.Error)
	}
	if u.Applied == nil || len(u.Applied.Unusable) == 0 {
		return nil
	}
	f := u.Applied.Unusable[0]
	return fmt.Errorf("its preflight would refuse the start: %s (%s) %s", f.Path, f.Role, f.Reason)
}

// isDeclared refuses a unit that is not known to run by declared files alone. It
// rests on facts: a policy folder need not have rules about them. If a reload is
// assumed, the unit is taken to run by what is on disk.
func isDeclared(u facts.Unit, isReloaded bool) error {
	if u.Loaded.LoadState != "loaded" {
		return fmt.Errorf("%s is %s in the manager", u.Name, u.Loaded.LoadState)
	}
	for _, f := range u.Files {
		matters := (f.Defines() || f.IsOwnLink()) && (f.Loaded || f.Effective)
		distribution := f.Origin == facts.OriginDistribution && f.Role != facts.RoleFragment
		if matters && !f.IsTrusted() && !distribution {
			return fmt.Errorf("%s is in force for %s and not declared (%s)", f.Path, u.Name, f.State)
		}
	}
	if u.Stale() && !isReloaded {
		return fmt.Errorf("%s does not run by what is on disk", u.Name)
	}
	return nil
}

// startsNothingElse refuses a restart that would start a stopped unit: what the unit wants,
// requires, is bound to or upholds. What these pull in only matters if they are started
// themselves: systemd drops the start of a unit that is active, with all that it would pull
// in (seen on 252 and 257). A declared oneshot that has run to its end is not stopped.
func startsNothingElse(u facts.Unit, doc *facts.Document) error {
	seen := map[string]bool{u.Name: true}
	for next := []facts.Unit{u}; len(next) > 0; next = next[1:] {
		if next[0].Loaded == nil {
			continue
		}
		for _, p := range next[0].Loaded.Pulls {
			switch pulled := find(doc, p.Unit); {
			case seen[p.Unit] || !isStarted(p):
			case p.Declared && pulled != nil && isDone(pulled.Loaded):
				seen[p.Unit] = true
				next = append(next, *pulled)
			case p.Declared:
				return fmt.Errorf("a restart of %s would start %s, which is stopped: %s pulls it in (%s)", u.Name, p.Unit, next[0].Name, p.Kind)
			default:
				return fmt.Errorf("a restart of %s would start %s, which is stopped: %s pulls it in (%s), and no declared file says so",
					u.Name, p.Unit, next[0].Name, p.Kind)
			}
		}
	}
	return nil
}

// isStarted reports whether a start of the unit that has p starts the unit that p names. A
// wish for a unit that cannot be loaded is without effect (systemd.unit(5), Wants=).
func isStarted(p facts.Pull) bool {
	isUp := slices.Contains([]string{"active", "activating", "reloading", "refreshing"}, p.ActiveState)
	isIgnored := p.Kind == "wants" && slices.Contains([]string{"not-found", "masked", "bad-setting", "error"}, p.LoadState)
	return !isUp && !isIgnored
}

// isDone reports whether a unit is a oneshot that succeeded and does not stay active.
func isDone(l *facts.Loaded) bool {
	return l != nil && l.Type == "oneshot" && !l.RemainAfterExit && l.ActiveState == "inactive" && l.Result == "success" && l.InactiveExit != nil
}
