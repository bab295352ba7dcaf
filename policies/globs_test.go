package policies

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
)

// TestGlobs: the rules match unit names as systemctl and the rest of the program do.
// All tests use the same table.
func TestGlobs(t *testing.T) {
	content, err := os.ReadFile("../testdata/globs.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Globs []struct {
			Pattern, Name string
			Match         bool
		}
	}
	if err := json.Unmarshal(content, &table); err != nil {
		t.Fatal(err)
	}
	library, err := FS.ReadFile("lib/name.rego")
	if err != nil {
		t.Fatal(err)
	}
	query, err := rego.New(
		rego.Module("lib/name.rego", string(library)), rego.StrictBuiltinErrors(true),
		rego.Query("[i | some i, row in input.globs; data.stackpolicy.lib.matches_any(row.name, [row.pattern])]"),
	).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var input any
	if err := json.Unmarshal(content, &input); err != nil {
		t.Fatal(err)
	}
	result, err := query.Eval(t.Context(), rego.EvalInput(input))
	if err != nil {
		t.Fatal(err)
	}
	matched := map[string]bool{}
	for _, i := range result[0].Expressions[0].Value.([]any) {
		matched[string(i.(json.Number))] = true
	}
	for i, row := range table.Globs {
		index, _ := json.Marshal(i)
		if got := matched[string(index)]; got != row.Match {
			t.Errorf("%q matches %q: %t, want %t", row.Pattern, row.Name, got, row.Match)
		}
	}
}
