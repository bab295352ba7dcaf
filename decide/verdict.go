package decide

import (
	"context"
	"fmt"
	"slices"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Decide decides every invariant for the document. An error is only about the call itself:
// a document of another schema, or a context that ended. If a rule could not decide, that
// is a decision to block.
func (p *Policies) Decide(ctx context.Context, doc *facts.Document) (Result, error) {
	return p.DecidePrepared(ctx, Prepare(doc))
}

// DecidePrepared is Decide for a document that other policies decide, too, or that is one of
// a series.
func (p *Policies) DecidePrepared(ctx context.Context, prepared *Prepared) (Result, error) {
	return p.decide(ctx, prepared, subjects.withAllows)
}

// Findings is DecidePrepared without what is allowed, which is nearly all of its result.
func (p *Policies) Findings(ctx context.Context, prepared *Prepared) (Result, error) {
	return p.decide(ctx, prepared, func(_ subjects, _ *policy.Invariant, found []finding.Finding) []finding.Finding { return found })
}

// decide decides; complete adds what is allowed to the findings of an invariant.
func (p *Policies) decide(ctx context.Context, prepared *Prepared, complete func(subjects, *policy.Invariant, []finding.Finding) []finding.Finding) (Result, error) {
	doc := prepared.Document
	if doc.Schema != facts.Schema {
		return Result{}, fmt.Errorf("decide: the document's schema is %q; want %q", doc.Schema, facts.Schema)
	}
	total, cancel := context.WithTimeout(ctx, p.opts.Total)
	defer cancel()
	s := subjectsOf(doc)
	gaps, asked := p.gaps(doc)
	verdicts := [][]finding.Finding{gaps}
	for i, answer := range p.answers(total, prepared, asked) {
		decisions := verdict(asked[i], answer)
		if answer.Err == nil {
			decisions = complete(s, asked[i], decisions)
		}
		verdicts = append(verdicts, decisions)
	}
	decisions := slices.Concat(verdicts...)
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("decide: %w", err)
	}
	override(p.settings, decisions)
	waive(p.settings, decisions, doc.CollectedAt)
	exempt(p.invariants, decisions, doc)
	return Result{Decisions: sorted(decisions), Managed: len(s.managed)}, nil
}

// gaps returns a decision for each invariant whose facts were not collected, and the
// invariants whose rules can be evaluated.
func (p *Policies) gaps(doc *facts.Document) (decisions []finding.Finding, asked []*policy.Invariant) {
	gaps := doc.Gaps()
	for _, inv := range p.invariants {
		i := slices.IndexFunc(inv.Needs, func(need string) bool { _, missing := gaps[need]; return missing })
		if i < 0 {
			asked = append(asked, inv)
			continue
		}
		decisions = append(decisions, onGap(inv, gaps[inv.Needs[i]]))
	}
	return decisions, asked
}

// Answer is the result of an invariant's rule for a document.
type Answer struct {
	Findings []finding.Finding // those that are well-formed
	Err      error             // why the rule failed, or a finding was malformed
	ReadTime bool              // it can be another one at another time
}

// Evaluator evaluates rules. [Load] returns policies that are evaluated in this process.
type Evaluator interface {
	// Evaluate calls answer with each invariant's index, from any goroutine. Invariants
	// without a call are not decided.
	Evaluate(ctx context.Context, doc *Prepared, invariants []*policy.Invariant, answer func(i int, a Answer))
}

func (p *Policies) answers(ctx context.Context, doc *Prepared, invariants []*policy.Invariant) []Answer {
	answers := make([]Answer, len(invariants))
	for i, inv := range invariants {
		answers[i].Err = fmt.Errorf("%s: the rule gave no answer", inv.File)
	}
	p.evaluator.Evaluate(ctx, doc, invariants, func(i int, a Answer) { answers[i] = a })
	return answers
}

// subjects are the units that findings may be about.
type subjects struct {
	managed []string        // names of the managed units
	stacks  []string        // those of them that are stacks
	known   map[string]bool // these, the host, and failed units without a file
}

func subjectsOf(doc *facts.Document) subjects {
	s := subjects{known: map[string]bool{finding.Host: true}}
	for i := range doc.Units {
		unit := &doc.Units[i]
		if unit.ManagedBy == "" {
			continue
		}
		s.managed = append(s.managed, unit.Name)
		if unit.Stack != "" {
			s.stacks = append(s.stacks, unit.Name)
		}
	}
	for _, name := range doc.Subjects() {
		s.known[name] = true
	}
	return s
}

// verdict returns an invariant's findings. If its rule failed, it blocks.
func verdict(inv *policy.Invariant, a Answer) []finding.Finding {
	decisions := a.Findings
	if a.Err != nil {
		decisions = append(decisions, undecided(inv, a.Err))
	}
	for i := range decisions {
		decisions[i].Class = inv.Class
	}
	return decisions
}

// onGap returns the decision for an invariant whose facts are missing.
func onGap(inv *policy.Invariant, g facts.Gap) finding.Finding {
	return unknown(inv, fmt.Sprintf("cannot be verified: %s was not collected: %s", g.Section, g.Reason),
		map[string]any{"case": finding.CaseGap, "section": g.Section, "collector": g.Collector})
}

// undecided returns the decision for an invariant whose rule failed.
func undecided(inv *policy.Invariant, err error) finding.Finding {
	return unknown(inv, "cannot be decided: "+err.Error(), map[string]any{"case": finding.CaseError, "file": inv.File})
}

func unknown(inv *policy.Invariant, message string, evidence map[string]any) finding.Finding {
	return finding.Finding{
		Invariant: inv.ID, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown,
		Message: clip(message), Evidence: evidence, Runbook: inv.Runbook.File, Class: inv.Class,
	}
}

// withAllows adds an allow for each subject of the invariant's class that has no finding: of an
// invariant whose rule was evaluated for it. The host is only allowed if there are no findings
// at all.
func (s subjects) withAllows(inv *policy.Invariant, findings []finding.Finding) []finding.Finding {
	found := map[string]bool{}
	for _, d := range findings {
		found[d.Subject] = true
	}
	asked := s.askedOf(inv, len(findings) > 0)
	decisions := slices.Grow(findings, len(asked))
	for _, subject := range asked {
		if !found[subject] {
			decisions = append(decisions, finding.Finding{
				Invariant: inv.ID, Subject: subject, Effect: finding.Allow,
				Message: inv.Title, Evidence: map[string]any{}, Class: inv.Class,
			})
		}
	}
	return decisions
}

// askedOf returns the subjects of the invariant's class.
func (s subjects) askedOf(inv *policy.Invariant, anyFinding bool) []string {
	switch {
	case inv.Class == finding.ClassStack:
		return s.stacks
	case inv.Class != finding.ClassHost:
		return s.managed
	case anyFinding:
		return nil
	}
	return []string{finding.Host}
}
