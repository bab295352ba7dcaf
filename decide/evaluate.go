package decide

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// resultVar holds an invariant's findings in its query.
const resultVar = ast.Var("findings")

// findingQuery asks for an invariant's findings. It needs no compiling: one
// ground reference, unified with one variable.
func findingQuery(inv *policy.Invariant) ast.Body {
	return ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(resultVar)), ast.NewTerm(inv.Ref())))
}

// Decide asks every invariant about the document. The error is only ever
// about the call itself: a document of another schema, or a context that
// ended. What a rule could not decide is a decision to block.
func (p *Policies) Decide(ctx context.Context, doc *facts.Document) (Result, error) {
	if doc.Schema != facts.Schema {
		return Result{}, fmt.Errorf("decide: the document's schema is %q; want %q", doc.Schema, facts.Schema)
	}
	total, cancel := context.WithTimeout(ctx, p.opts.Total)
	defer cancel()

	e := newEvaluation(p, doc)
	var err error
	if e.txn, err = p.store.NewTransaction(total); err != nil {
		return Result{}, fmt.Errorf("decide: read settings: %w", err)
	}
	defer p.store.Abort(ctx, e.txn)
	e.input = ast.NewTerm(toValue(doc))

	decisions := slices.Concat(e.all(total)...)
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("decide: %w", err)
	}
	waive(p.settings, decisions, doc.CollectedAt)
	sortDecisions(decisions)
	return Result{Decisions: decisions, Managed: len(e.managed)}, nil
}

// evaluation is one document being decided.
type evaluation struct {
	p        *Policies
	gaps     map[string]policy.Gap
	managed  []string        // names of the managed units
	stacks   []string        // those of them that are stacks
	subjects map[string]bool // what a finding may be about
	input    *ast.Term
	txn      storage.Transaction
}

func newEvaluation(p *Policies, doc *facts.Document) *evaluation {
	e := &evaluation{p: p, gaps: policy.GapsOf(doc), subjects: map[string]bool{finding.Host: true}}
	for i := range doc.Units {
		unit := &doc.Units[i]
		if !unit.IsManaged() {
			continue
		}
		e.managed = append(e.managed, unit.Name)
		e.subjects[unit.Name] = true
		if unit.Stack != "" {
			e.stacks = append(e.stacks, unit.Name)
		}
	}
	if doc.Manager != nil {
		for _, name := range doc.Manager.FailedNoFile {
			e.subjects[name] = true
		}
	}
	return e
}

// all decides the invariants side by side; the answers are in their order.
func (e *evaluation) all(ctx context.Context) [][]finding.Finding {
	answers := make([][]finding.Finding, len(e.p.invariants))
	inParallel(len(answers), func(i int) {
		answers[i] = e.invariant(ctx, e.p.invariants[i])
		for k := range answers[i] {
			answers[i][k].Class = e.p.invariants[i].Class
		}
	})
	return answers
}

// invariant decides one invariant: a gap before Rego is asked, an undecided
// rule as a block, and allow only for what the rule looked at.
func (e *evaluation) invariant(ctx context.Context, inv *policy.Invariant) []finding.Finding {
	for _, need := range inv.Needs {
		if g, missing := e.gaps[need]; missing {
			return []finding.Finding{onGap(inv, g)}
		}
	}
	set, err := e.ask(ctx, inv)
	if err != nil {
		return []finding.Finding{undecided(inv, err)}
	}
	decisions, err := findings(inv, set, e.subjects)
	if err != nil {
		return append(decisions, undecided(inv, fmt.Errorf("%s: %w", inv.File, err)))
	}
	return e.withAllows(inv, decisions)
}

// ask evaluates an invariant's rule within its time limit.
func (e *evaluation) ask(ctx context.Context, inv *policy.Invariant) (ast.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, e.p.opts.Limit)
	defer cancel()
	stop := topdown.NewCancel()
	defer context.AfterFunc(ctx, stop.Cancel)()

	results, err := topdown.NewQuery(findingQuery(inv)).
		WithCompiler(e.p.compiler).
		WithStore(e.p.store).
		WithTransaction(e.txn).
		WithInput(e.input).
		WithCancel(stop).
		WithStrictBuiltinErrors(true).
		Run(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: stopped at the time limit", inv.File)
	case err != nil:
		return nil, e.explain(inv, err)
	case len(results) != 1:
		return nil, fmt.Errorf("%s: the rule has no value", inv.File)
	}
	set, ok := results[0][resultVar].Value.(ast.Set)
	if !ok {
		return nil, fmt.Errorf("%s: finding is no set", inv.File)
	}
	return set, nil
}

// explain says where a rule erred and why.
func (e *evaluation) explain(inv *policy.Invariant, err error) error {
	var rego *topdown.Error
	if errors.As(err, &rego) && rego.Location != nil {
		return fmt.Errorf("%s:%d: %s", rego.Location.File, rego.Location.Row, strings.Join(strings.Fields(rego.Message), " "))
	}
	return fmt.Errorf("%s: %w", inv.File, err)
}

// onGap is the decision on an invariant whose facts are not there.
func onGap(inv *policy.Invariant, g policy.Gap) finding.Finding {
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
		Message: clip(message), Evidence: evidence, Runbook: inv.Runbook.File,
	}
}

// withAllows adds to an invariant's findings the subjects of its class for
// which the rule found nothing. The host is allowed only when it found nothing
// at all.
func (e *evaluation) withAllows(inv *policy.Invariant, findings []finding.Finding) []finding.Finding {
	found := map[string]bool{}
	for _, d := range findings {
		found[d.Subject] = true
	}
	asked := e.askedOf(inv, len(findings) > 0)
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
func (e *evaluation) askedOf(inv *policy.Invariant, anyFinding bool) []string {
	switch {
	case inv.Class == "stack":
		return e.stacks
	case inv.Class != "host":
		return e.managed
	case anyFinding:
		return nil
	}
	return []string{finding.Host}
}
