package regotest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// failTracer records coverage, and which expressions of tests were not true: the tester only
// says which test failed.
type failTracer struct {
	*cover.Cover
	mu     sync.Mutex
	failed map[string]map[int]*ast.Location // by file and line
}

func newFailTracer() *failTracer {
	return &failTracer{Cover: cover.New(), failed: map[string]map[int]*ast.Location{}}
}

// TraceEvent is called by the evaluations of several tests at once.
func (t *failTracer) TraceEvent(event topdown.Event) {
	t.Cover.TraceEvent(event)
	expr, ok := event.Node.(*ast.Expr)
	if event.Op != topdown.FailOp || !ok || expr.Location == nil || !strings.HasSuffix(expr.Location.File, "_test.rego") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed[expr.Location.File] == nil {
		t.failed[expr.Location.File] = map[int]*ast.Location{}
	}
	t.failed[expr.Location.File][expr.Location.Row] = expr.Location
}

// explain returns the expression of a failed test that was not true, with what the test
// printed. If there are several it returns the last: evaluation got that far.
func (t *failTracer) explain(r *tester.Result) string {
	text := "the test is not true"
	t.mu.Lock()
	defer t.mu.Unlock()
	last := r.Location.Row + strings.Count(string(r.Location.Text), "\n")
	for row := last; row >= r.Location.Row; row-- {
		if at := t.failed[r.Location.File][row]; at != nil {
			text = fmt.Sprintf("%s:%d: not true: %s", at.File, at.Row, at.Text)
			break
		}
	}
	if out := strings.TrimSpace(string(r.Output)); out != "" {
		text += "\n" + out
	}
	return text
}
