package report

import (
	"slices"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Steps returns what gives what to do about a finding, the first thing first, by the runbooks of
// invariants and for an account; nothing if there is no runbook.
func Steps(invariants []policy.Invariant, a policy.Account) func(finding.Finding) []string {
	return func(f finding.Finding) []string {
		if f.Invariant == finding.AuditComplete { // it has no runbook
			return []string{"See what the audit could not do, and correct that: `stackpolicy eval`"}
		}
		i := slices.IndexFunc(invariants, func(x policy.Invariant) bool { return x.ID == f.Invariant })
		if i < 0 || f.IsAllowed() {
			return nil
		}
		return invariants[i].Runbook.Steps(f.Subject, f.Evidence, a)
	}
}

// AccountOf returns the account that a document is about; it has the given name if the document
// has none. The document may be nil.
func AccountOf(doc *facts.Document, name string) policy.Account {
	a := policy.Account{Name: name}
	if doc == nil {
		return a
	}
	if doc.User != nil {
		a.Name = doc.User.Name
	}
	if doc.Declared != nil {
		a.NoHomeManager = doc.Declared.Source == ""
		a.NixOS = doc.Declared.Activation.Service != nil
	}
	return a
}
