package decide

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// The time of a document is another one each time, and most rules that read it do so only for
// a unit that is in trouble. So that an evaluation tells whether it did, compiled rules read
// the time from the store, which notes it, and not from the input.

// timeKey is where the document and the store have the time.
const timeKey = "collected_at"

var (
	inputTime = ast.MustParseRef("input." + timeKey)
	storeTime = ast.MustParseRef("data." + timeKey)
)

// readTimeFromStore changes compiled rules. It reports whether one compares the time with a
// constant: then the time is in the index of rules as well, where nothing notes it.
func readTimeFromStore(compiler *ast.Compiler) (isIndexed bool) {
	for _, module := range compiler.Modules {
		ast.WalkExprs(module, func(e *ast.Expr) bool {
			isIndexed = isIndexed || e.IsEquality() && isIndex(e.Operand(0), e.Operand(1))
			return false
		})
		ast.WalkTerms(module, func(t *ast.Term) bool {
			if isTime(t) {
				t.Value = storeTime.Concat(t.Value.(ast.Ref)[len(inputTime):])
			}
			return false
		})
	}
	return isIndexed
}

func isIndex(a, b *ast.Term) bool {
	_, isVar := b.Value.(ast.Var)
	if isTime(b) {
		_, isVar = a.Value.(ast.Var)
	}
	return (isTime(a) || isTime(b)) && !isVar
}

func isTime(t *ast.Term) bool {
	ref, ok := t.Value.(ast.Ref)
	return ok && ref.HasPrefix(inputTime)
}

// reading is the transaction of one evaluation.
type reading struct {
	storage.Transaction
	time     string
	readTime bool
}

// timeStore is a store that also has the time. Its transactions are of the type reading.
type timeStore struct{ storage.Store }

func (s timeStore) Read(ctx context.Context, txn storage.Transaction, path storage.Path) (any, error) {
	r := txn.(*reading)
	r.readTime = r.readTime || len(path) == 0 || path[0] == timeKey
	switch {
	case len(path) == 1 && path[0] == timeKey:
		return r.time, nil
	case len(path) > 1 && path[0] == timeKey:
		return nil, &storage.Error{Code: storage.NotFoundErr}
	}
	return s.Store.Read(ctx, r.Transaction, path)
}
