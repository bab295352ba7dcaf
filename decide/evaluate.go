package decide

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"stackpolicy/decide/policy"
)

// resultVar holds an invariant's findings in its query.
const resultVar = ast.Var("findings")

// findingQuery returns the query for an invariant's findings. It needs no compiling: it
// unifies one ground reference with one variable.
func findingQuery(inv *policy.Invariant) ast.Body {
	return ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(resultVar)), ast.NewTerm(inv.Ref())))
}

// rules are evaluated in this process.
type rules struct {
	compiler *ast.Compiler
	store    storage.Store // of the settings
	limit    time.Duration
	// timed says that it cannot be told whether a rule read the time.
	timed bool
}

// Evaluate evaluates the invariants' rules, several at the same time.
func (r *rules) Evaluate(ctx context.Context, doc *Prepared, invariants []*policy.Invariant, answer func(int, Answer)) {
	txn, err := r.store.NewTransaction(ctx)
	if err != nil {
		return
	}
	defer r.store.Abort(context.WithoutCancel(ctx), txn)
	e := &evaluation{rules: r, txn: txn, time: doc.CollectedAt.Format(time.RFC3339Nano), input: ast.NewTerm(doc.value()), subjects: subjectsOf(doc.Document).known}
	inParallel(len(invariants), func(i int) { answer(i, e.answer(ctx, invariants[i])) })
}

// evaluation is one document that is being judged.
type evaluation struct {
	*rules
	txn      storage.Transaction
	time     string
	input    *ast.Term
	subjects map[string]bool // that findings may be about
}

func (e *evaluation) answer(ctx context.Context, inv *policy.Invariant) Answer {
	read := &reading{Transaction: e.txn, time: e.time, readTime: e.timed || inv.Scope.Whole}
	set, err := e.ask(ctx, inv, read)
	if err != nil {
		return Answer{Err: err}
	}
	found, err := findings(inv, set, e.subjects)
	if err != nil {
		err = fmt.Errorf("%s: %w", inv.File, err)
	}
	return Answer{Findings: found, Err: err, ReadTime: read.readTime}
}

// ask evaluates an invariant's rule within its time limit.
func (e *evaluation) ask(ctx context.Context, inv *policy.Invariant, read *reading) (ast.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, e.limit)
	defer cancel()
	stop := topdown.NewCancel()
	defer context.AfterFunc(ctx, stop.Cancel)()

	results, err := topdown.NewQuery(findingQuery(inv)).
		WithCompiler(e.compiler).
		WithStore(timeStore{e.store}).
		WithTransaction(read).
		WithInput(e.input).
		WithCancel(stop).
		WithStrictBuiltinErrors(true).
		Run(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: stopped at the time limit", inv.File)
	case err != nil:
		return nil, explain(inv, err)
	case len(results) != 1:
		return nil, fmt.Errorf("%s: the rule has no value", inv.File)
	}
	set, ok := results[0][resultVar].Value.(ast.Set)
	if !ok {
		return nil, fmt.Errorf("%s: finding is not a set", inv.File)
	}
	return set, nil
}

// explain returns an error that says where a rule failed and why.
func explain(inv *policy.Invariant, err error) error {
	var rego *topdown.Error
	if errors.As(err, &rego) && rego.Location != nil {
		return fmt.Errorf("%s:%d: %s", rego.Location.File, rego.Location.Row, strings.Join(strings.Fields(rego.Message), " "))
	}
	return fmt.Errorf("%s: %w", inv.File, err)
}
