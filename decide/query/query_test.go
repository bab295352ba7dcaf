package query

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	var document any
	if err := json.Unmarshal([]byte(`{"units": [{"name": "web.service", "n": 3}, {"name": "db.service", "n": 1}]}`), &document); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		`input.units[_].name`:                            `["web.service" "db.service"]`,
		`some u in input.units; u.n > 2`:                 `[{"u":{"n":3,"name":"web.service"}}]`,
		`count(input.units)`:                             `[2]`,
		`input.units[_].n > 5`:                           `[]`,
		`x := {u.name | some u in input.units; u.n < 2}`: `[{"x":["db.service"]}]`,
		`input.nothing`:                                  `[]`,
	} {
		q, err := Prepare(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		answers, err := q.Ask(t.Context(), document)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		texts := []string{}
		for _, a := range answers {
			texts = append(texts, string(a))
		}
		if got := fmt.Sprint(texts); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// What is wrong, reaches outside, or takes too much is an error.
func TestRefused(t *testing.T) {
	for query, want := range map[string]string{
		`input.units[`:          "rego_parse_error",
		`undefined_function(1)`: "rego_type_error",
		`http.send({"method": "get", "url": "http://127.0.0.1"})`: "undefined function",
		`opa.runtime()`:               "undefined function",
		strings.Repeat("true;", 3000): "bytes",
	} {
		if _, err := Prepare(t.Context(), query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", query, err, want)
		}
	}
	q, err := Prepare(t.Context(), `numbers.range(1, 100000)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Ask(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long answer: %v", err)
	}
}

// A query that does not end is ended.
func TestLimit(t *testing.T) {
	q, err := Prepare(t.Context(), `n := numbers.range(1, 3000); count({1 | some a in n; some b in n; some c in n; a + b == c + 10000})`)
	if err != nil {
		t.Fatal(err)
	}
	q.limit = 200 * time.Millisecond
	if _, err := q.Ask(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}
