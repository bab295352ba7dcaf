package audit

import (
	"fmt"
	"slices"

	"stackpolicy/decide/policy"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// caseReloadLoaded is the case of what this program's own reload brought in force.
const caseReloadLoaded = "reload-loaded"

// loadedIsCurrent is the invariant that such a finding belongs to, where it exists.
const loadedIsCurrent = "loaded_is_current"

// doubtReloads marks the reload of each subject that does not run by declared files for certain
// after it as failed: it brought something else in force, or the subject is stale again. last is
// the document that was collected after it.
func doubtReloads(findings []finding.Finding, brought []enforce.Brought, last *facts.Document) {
	for i := range findings {
		f := &findings[i]
		if f.Outcome == finding.Healed && f.Action == finding.DaemonReload && (isBrought(f.Subject, brought) || isStale(f.Subject, last)) {
			f.Outcome = finding.HealFailed
		}
	}
}

func isBrought(subject string, brought []enforce.Brought) bool {
	return slices.ContainsFunc(brought, func(b enforce.Brought) bool { return b.Subject == subject })
}

func isStale(subject string, doc *facts.Document) bool {
	return slices.ContainsFunc(doc.Units, func(u facts.Unit) bool {
		return u.Name == subject && u.IsManaged() && !u.Template && u.Stale()
	})
}

// broughtFindings returns a page for each file that our reload brought in force although
// nothing declares it. No rule makes it, so it is there whatever the rules are.
func broughtFindings(brought []enforce.Brought, actions []enforce.Action, invariants []policy.Invariant) []finding.Finding {
	var list []finding.Finding
	invariant := invariantOfReloads(actions, invariants)
	for _, b := range brought {
		list = append(list, finding.Finding{
			Invariant: invariant, Subject: b.Subject, Effect: finding.Block, Severity: finding.Page,
			Message: fmt.Sprintf("our reload loaded %s, which nothing declares", b.Path),
			Evidence: map[string]any{
				"case": caseReloadLoaded, "path": b.Path, "expected": "a declared file", "found": b.State,
			},
			Runbook: runbook(invariant, invariants), Class: finding.ClassProvenance,
			AppearedAfter: []finding.Action{finding.DaemonReload},
		})
	}
	return list
}

// invariantOfReloads is loaded_is_current, or where the policies have no such rule
// the one that asked for the reload.
func invariantOfReloads(actions []enforce.Action, invariants []policy.Invariant) string {
	if runbook(loadedIsCurrent, invariants) != "" {
		return loadedIsCurrent
	}
	asked := ""
	for _, a := range actions {
		if a.Action == finding.DaemonReload && len(a.Reasons) > 0 {
			asked = a.Reasons[0].Invariant
		}
	}
	return asked
}

// runbook is the file of an invariant's runbook; "" where there is no such invariant.
func runbook(id string, invariants []policy.Invariant) string {
	for _, i := range invariants {
		if i.ID == id {
			return i.Runbook.File
		}
	}
	return ""
}
