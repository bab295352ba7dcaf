package audit

import (
	"fmt"
	"slices"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// caseReloadLoaded is the case of what this program's own reload brought in force.
const caseReloadLoaded = "reload-loaded"

// loadedIsCurrent is the invariant that such a finding belongs to, where it exists.
const loadedIsCurrent = "loaded_is_current"

// isDoubtful reports whether, after a reload, the subject does not run by declared
// files for certain: something else was brought in force, or it is stale again.
func (d actResult) isDoubtful(subject string) bool {
	brought := slices.ContainsFunc(d.brought, func(b enforce.Brought) bool { return b.Subject == subject })
	return brought || d.after != nil && slices.ContainsFunc(d.after.Document.Units, func(u facts.Unit) bool {
		return u.Name == subject && u.IsManaged() && !u.Template && u.Stale()
	})
}

// ofBrought returns a page for each file that our reload brought in force although
// nothing declares it. No rule makes it, so it is there whatever the rules are.
func (r *run) ofBrought(d actResult) []finding.Finding {
	var list []finding.Finding
	for _, b := range d.brought {
		list = append(list, finding.Finding{
			Invariant: r.invariantOfReloads(d.actions), Subject: b.Subject, Effect: finding.Block, Severity: finding.Page,
			Message: fmt.Sprintf("our reload loaded %s, which nothing declares", b.Path),
			Evidence: map[string]any{
				"case": caseReloadLoaded, "path": b.Path, "expected": "a declared file", "found": b.State,
			},
			Runbook: r.runbook(r.invariantOfReloads(d.actions)), Class: finding.ClassProvenance,
			AppearedAfter: []finding.Action{finding.DaemonReload},
		})
	}
	return list
}

// invariantOfReloads is loaded_is_current, or where the policies have no such rule
// the one that asked for the reload.
func (r *run) invariantOfReloads(actions []enforce.Action) string {
	asked := ""
	for _, a := range actions {
		if a.Action == finding.DaemonReload && len(a.Reasons) > 0 {
			asked = a.Reasons[0].Invariant
		}
	}
	if r.runbook(loadedIsCurrent) != "" {
		return loadedIsCurrent
	}
	return asked
}

// runbook is the file of an invariant's runbook; "" where there is no such invariant.
func (r *run) runbook(id string) string {
	for _, i := range r.policies.Invariants() {
		if i.ID == id {
			return i.Runbook.File
		}
	}
	return ""
}
