package decide

import (
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// waive marks the findings that the settings' waivers cover at the time of the facts. This
// and exempt are the only places where waivers are applied: everything else
// reads [finding.Finding.Waiver].
func waive(s policy.Settings, decisions []finding.Finding, at time.Time) {
	for i := range decisions {
		for _, w := range s.Waivers {
			if w.Covers(decisions[i].Invariant, decisions[i].Subject) {
				cover(&decisions[i], finding.Waiver{Reason: w.Reason, Owner: w.Owner, Until: w.End()}, at)
			}
		}
	}
}

// exempt does the same for waivers and holds that were made by commands. A hold covers
// findings on its unit of invariants that are about running.
func exempt(invariants []*policy.Invariant, decisions []finding.Finding, doc *facts.Document) {
	exemptions, running := exemptionsOf(doc), map[string]bool{}
	for _, inv := range invariants {
		running[inv.ID] = inv.Running
	}
	for i := range decisions {
		d := &decisions[i]
		for _, e := range exemptions[d.Subject] {
			switch {
			case e.IsHold() && running[d.Invariant]:
				cover(d, finding.Waiver{Reason: "held: " + e.Reason, Owner: e.Owner, Until: e.Until}, doc.CollectedAt)
			case e.Invariant == d.Invariant || !e.IsHold() && finding.CurrentID(e.Invariant) == d.Invariant:
				cover(d, finding.Waiver{Reason: e.Reason, Owner: e.Owner, Until: e.Until}, doc.CollectedAt)
			}
		}
	}
}

func exemptionsOf(doc *facts.Document) map[string][]facts.Exemption {
	all := map[string][]facts.Exemption{}
	if doc.History != nil {
		all[finding.Host] = doc.History.Exemptions
	}
	for _, u := range doc.Units {
		if u.History != nil && len(u.History.Exemptions) > 0 {
			all[u.Name] = u.History.Exemptions
		}
	}
	return all
}

// cover gives a finding a waiver that is in force, unless it has one that lasts longer. A
// finding that could not be decided is never waived.
func cover(d *finding.Finding, w finding.Waiver, at time.Time) {
	if d.IsAllowed() || d.IsUnknown() || d.Invariant == policy.WatchesWaivers {
		return
	}
	if w.Until.After(at) && (d.Waiver == nil || w.Until.After(d.Waiver.Until)) {
		d.Waiver = &w
	}
}
