package decide

import (
	"context"
	"fmt"
	"slices"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Decide asks every invariant about the document. The error is only ever
// about the call itself: a document of another schema, or a context that
// ended. What a rule could not decide is a decision to block.
func (p *Policies) Decide(ctx context.Context, doc *facts.Document) (Result, error) {
	if doc.Schema != facts.Schema {
		return Result{}, fmt.Errorf("decide: the document's schema is %q; want %q", doc.Schema, facts.Schema)
	}
	total, cancel := context.WithTimeout(ctx, p.opts.Total)
	defer cancel()
	s := subjectsOf(doc)
	gaps, asked := p.gaps(doc)
	verdicts := [][]finding.Finding{gaps}
	for i, answer := range p.answers(total, doc, asked) {
		verdicts = append(verdicts, s.verdict(asked[i], answer))
	}
	decisions := slices.Concat(verdicts...)
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("decide: %w", err)
	}
	waive(p.settings, decisions, doc.CollectedAt)
	p.exempt(decisions, doc)
	sortDecisions(decisions)
	return Result{Decisions: decisions, Managed: len(s.managed)}, nil
}

// gaps returns a decision for each invariant whose facts were not collected, and
// the invariants that can be asked.
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

// Answer is what an invariant's rule says about a document.
type Answer struct {
	Findings []finding.Finding // those that are well-formed
	Err      error             // why the rule gave no answer, or none for some finding
}

// Evaluator asks rules. [Load] makes one of this process.
type Evaluator interface {
	// Evaluate calls answer with each invariant's index, from any goroutine.
	// What it does not answer is not decided.
	Evaluate(ctx context.Context, doc *facts.Document, invariants []*policy.Invariant, answer func(i int, a Answer))
}

func (p *Policies) answers(ctx context.Context, doc *facts.Document, invariants []*policy.Invariant) []Answer {
	answers := make([]Answer, len(invariants))
	for i, inv := range invariants {
		answers[i].Err = fmt.Errorf("%s: the rule gave no answer", inv.File)
	}
	p.evaluator.Evaluate(ctx, doc, invariants, func(i int, a Answer) { answers[i] = a })
	return answers
}

// subjects are what findings may be about.
type subjects struct {
	managed []string        // names of the managed units
	stacks  []string        // those of them that are stacks
	known   map[string]bool // all of them, the host, and failed units without a file
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

// verdict returns an invariant's decisions. One whose rule could not be asked
// blocks, and only what the rule looked at is allowed.
func (s subjects) verdict(inv *policy.Invariant, a Answer) []finding.Finding {
	decisions := a.Findings
	if a.Err != nil {
		decisions = append(decisions, undecided(inv, a.Err))
	} else {
		decisions = s.withAllows(inv, decisions)
	}
	for i := range decisions {
		decisions[i].Class = inv.Class
	}
	return decisions
}

// onGap is the decision on an invariant whose facts are not there.
func onGap(inv *policy.Invariant, g facts.Gap) finding.Finding {
	return unknown(inv, fmt.Sprintf("cannot be verified: %s was not collected: %s", g.Section, g.Reason),
		map[string]any{"case": finding.CaseGap, "section": g.Section, "collector": g.Collector})
}

// undecided is the decision on an invariant whose rule gave no usable answer.
func undecided(inv *policy.Invariant, err error) finding.Finding {
	return unknown(inv, "cannot be decided: "+err.Error(), map[string]any{"case": finding.CaseError, "file": inv.File})
}

func unknown(inv *policy.Invariant, message string, evidence map[string]any) finding.Finding {
	return finding.Finding{
		Invariant: inv.ID, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown,
		Message: clip(message), Evidence: evidence, Runbook: inv.Runbook.File, Class: inv.Class,
	}
}

// withAllows adds to an invariant's findings the subjects of its class for
// which the rule found nothing. The host is allowed only when it found nothing
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
				Message: inv.Title, Evidence: map[string]any{},
			})
		}
	}
	return decisions
}

// askedOf are the subjects of the invariant's class.
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
