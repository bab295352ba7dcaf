package enforce

import (
	"fmt"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// past returns what the history knows of a subject; ok is false if the history could not
// be read. Of a unit that no longer exists the history of the host has it.
func past(doc *facts.Document, subject string) (heals []facts.HealCount, breaker *facts.Breaker, ok bool) {
	if doc.History == nil {
		return nil, nil, false
	}
	if subject == finding.Host {
		return doc.History.Heals, doc.History.Breaker, true
	}
	if u := find(doc, subject); u != nil && u.IsManaged() {
		if u.History == nil {
			return nil, nil, false
		}
		return u.History.Heals, u.History.Breaker, true
	}
	other := doc.History.Others[subject]
	return other.Heals, other.Breaker, true
}

// isRemembered refuses if earlier actions are not known: budgets and breakers count
// them.
func isRemembered(_ policy.Settings, a Action, now Observation) error {
	if _, _, ok := past(now.Document, a.Subject); !ok {
		return fmt.Errorf("earlier actions are not known: %s", now.Document.Collectors["history"].Error)
	}
	return nil
}

// breakerIsClosed refuses until the end of an open breaker.
func breakerIsClosed(_ policy.Settings, a Action, now Observation) error {
	_, b, _ := past(now.Document, a.Subject)
	if b == nil || !now.Document.CollectedAt.Before(b.Until) {
		return nil
	}
	return fmt.Errorf("the breaker of %s is open since %s (%s), until %s; close it with: `stackpolicy reset-breaker %s`",
		a.Subject, stamp(b.Since), b.Reason, stamp(b.Until), a.Subject)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// withinBudget refuses more actions within the window than the settings allow on
// one unit, and on the whole host.
func withinBudget(settings policy.Settings, a Action, now Observation) error {
	heals, _, _ := past(now.Document, a.Subject)
	b := settings.Budget
	if n := spent(heals, b.Window); a.Subject != finding.Host && n >= b.Unit {
		return fmt.Errorf("the budget of %s is used up: %d actions within %s, of %d", a.Subject, n, b.Window, b.Unit)
	}
	all := spent(now.Document.History.Heals, b.Window)
	for _, u := range now.Document.Units {
		if u.History != nil && u.IsManaged() {
			all += spent(u.History.Heals, b.Window)
		}
	}
	for _, h := range now.Document.History.Others {
		all += spent(h.Heals, b.Window)
	}
	if all >= b.Host {
		return fmt.Errorf("the budget of the host is used up: %d actions within %s, of %d", all, b.Window, b.Host)
	}
	return nil
}

// spent returns how many actions began within the window of a budget. The history
// counts two windows, an hour and a day, and the settings allow no other.
func spent(heals []facts.HealCount, window time.Duration) (tried int) {
	for _, h := range heals {
		switch {
		case h.Invariant != "": // already counted in the rows without an invariant
		case window > time.Hour:
			tried += h.Tried24h
		default:
			tried += h.Tried1h
		}
	}
	return tried
}
