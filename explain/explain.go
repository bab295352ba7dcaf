// Package explain finds out what a finding alone does not say: since when it is open, what
// changed before it, which rule gave it, and what its unit and container logged last.
//
// Start at [Of]. [Remember] needs the history, and [ReadLogs] the running system.
package explain

import (
	"context"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Schema names the JSON of explanations.
const Schema = "stackpolicy.explain/v1"

// Explanation is a decision with what is known about it.
type Explanation struct {
	Decision  finding.Finding
	Invariant policy.Invariant
	Since     time.Time     // when an audit first saw the finding; zero: not known
	Before    *Before       // nil: not known
	Rules     []policy.Rule // that gave the finding; every finding rule with AllRules
	AllRules  bool          // it is not known which of them it was
	Logs      []Log
}

// Of returns an explanation of each decision, in their order. The invariant of each must be
// one of the policies'. load loads changed policies, with the limits of the given ones.
func Of(ctx context.Context, decisions []finding.Finding, p *decide.Policies, doc *facts.Document, load Load) []Explanation {
	byID := map[string]policy.Invariant{}
	for _, i := range p.Invariants() {
		byID[i.ID] = i
	}
	list := make([]Explanation, len(decisions))
	for i, d := range decisions {
		inv := byID[d.Invariant]
		list[i] = Explanation{
			Decision: d, Invariant: inv, Rules: inv.Rules, AllRules: len(inv.Rules) > 1, Since: sinceOf(doc, d),
		}
	}
	findRules(ctx, list, p, doc, load)
	return list
}

// sinceOf returns since when the memory in the document knows the finding. It is zero where
// the memory has none of its case.
func sinceOf(doc *facts.Document, d finding.Finding) time.Time {
	if d.IsAllowed() {
		return time.Time{}
	}
	for _, f := range openOf(doc, d.Subject) {
		if f.Invariant == d.Invariant && f.Case == d.Case() {
			return f.Since
		}
	}
	return time.Time{}
}

func openOf(doc *facts.Document, subject string) []facts.OpenFinding {
	if doc.History != nil && subject == finding.Host {
		return doc.History.Findings
	}
	for i := range doc.Units {
		if u := &doc.Units[i]; u.Name == subject && u.History != nil {
			return u.History.Findings
		}
	}
	if doc.History != nil {
		return doc.History.Others[subject].Findings
	}
	return nil
}

// Log has the last lines that a unit or a container wrote.
type Log struct {
	Of    string   `json:"of"`    // the unit's name, or the container's
	Lines []string `json:"lines"` // oldest first, as they are in the log
	Error string   `json:"error"` // why they cannot be read; "" if they were
}
