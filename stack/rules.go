package stack

import (
	"context"
	"errors"
	"slices"
	"strings"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// gate is the invariant that verify asks: an operator who changes it changes
// verify.
const gate = "stack_running"

// asks are the invariants by which a stack is up. Policies may lack those after
// the first.
func asks() []string { return []string{gate, "probes_answer"} }

// rules are the policies that decide whether a stack is up.
type rules struct{ policies *decide.Policies }

// missing returns a problem when the policies lack the gate.
func (r rules) missing() *Problem {
	if slices.ContainsFunc(r.policies.Invariants(), func(i policy.Invariant) bool { return i.ID == gate }) {
		return nil
	}
	return &Problem{
		Outcome: Usage, Message: "the policies have no invariant " + gate + ", which verify asks",
		Hint: "put it back; stackpolicy policy copy writes it out",
	}
}

// judge asks about one unit alone, as it is in the document but for what the
// caller changed.
func (r rules) judge(ctx context.Context, doc *facts.Document, unit facts.Unit) (verdict, error) {
	one := *doc
	one.Units = []facts.Unit{unit}
	result, err := r.policies.Only(asks()...).Decide(ctx, &one)
	return verdictOf(result.Decisions), err
}

// verdict is what the rules answered about a stack.
type verdict struct {
	findings []finding.Finding
	err      error // why the rules could not be asked, or could not decide
}

// verdictOf separates findings from what could not be decided.
func verdictOf(decisions []finding.Finding) (v verdict) {
	for _, d := range decisions {
		switch {
		case d.IsUnknown():
			v.err = errors.Join(v.err, errors.New(d.Message))
		case !d.IsAllowed():
			v.findings = append(v.findings, d)
		}
	}
	return v
}

// failures are the cases of a finding that is more than a delay.
var failures = []string{"exited", "unhealthy", "restarting", "restarted", "auto-restart", "none-running"}

func caseOf(d finding.Finding) string { return textIn(d.Evidence, "case") }

// textIn is a text of evidence, which operators' rules may leave out.
func textIn(evidence map[string]any, key string) string {
	s, _ := evidence[key].(string)
	return s
}

// culprits names the services that findings are about, each with its case.
func culprits(findings []finding.Finding) []string {
	names := []string{}
	for _, d := range findings {
		who := d.Subject
		for _, key := range []string{"target", "container", "service"} {
			if name := textIn(d.Evidence, key); name != "" {
				who = name
			}
		}
		if who = strings.TrimSpace(who + " " + caseOf(d)); !slices.Contains(names, who) {
			names = append(names, who)
		}
	}
	return names
}
