// Package query asks a Rego query of a document.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"stackpolicy/decide/lint"
)

// Query is a prepared query. It may use only what rules may use: nothing outside the document.
type Query struct {
	prepared rego.PreparedEvalQuery
	limit    time.Duration // on one document
}

// Limits of a query's text and answer, in bytes, and of its time on one document.
const (
	maxText   = 10_000
	maxAnswer = 100_000
	limit     = 5 * time.Second
)

// Prepare prepares a query such as
//
//	input.units[_].name
//
// The error says where it is wrong.
func Prepare(ctx context.Context, text string) (Query, error) {
	if len(text) > maxText {
		return Query{}, fmt.Errorf("the query has %d bytes: want at most %d", len(text), maxText)
	}
	prepared, err := rego.New(rego.Query(text), rego.Capabilities(lint.Capabilities()), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	if err != nil {
		return Query{}, fmt.Errorf("the query: %w", err)
	}
	return Query{prepared, limit}, nil
}

// Ask returns the answers of the query to a document, which is a JSON value: for each way in
// which the query holds, what it binds to variables, or else the values of its expressions. It
// is empty if the query holds in no way.
func (q Query) Ask(ctx context.Context, document any) ([]json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, q.limit)
	defer cancel()
	results, err := q.prepared.Eval(ctx, rego.EvalInput(document))
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it took longer than %s", q.limit)
		}
		return nil, fmt.Errorf("ask the query: %w", err)
	}
	answers, size := []json.RawMessage{}, 0
	for _, r := range results {
		text, err := json.Marshal(answerOf(r))
		if err != nil {
			return nil, fmt.Errorf("ask the query: %w", err)
		}
		if size += len(text); size > maxAnswer {
			return nil, errors.New("the answer is too long: ask for less")
		}
		answers = append(answers, text)
	}
	return answers, nil
}

func answerOf(r rego.Result) any {
	if len(r.Bindings) > 0 {
		return r.Bindings
	}
	if len(r.Expressions) == 1 {
		return r.Expressions[0].Value
	}
	values := make([]any, len(r.Expressions))
	for i, e := range r.Expressions {
		values[i] = e.Value
	}
	return values
}
