package lint

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"stackpolicy/decide/policy"
)

// Formatted returns the Rego files, tests included, that opa fmt would change, as it would
// write them: sorted, and without built-in ones. A file that does not parse is an error.
func Formatted(source policy.Source) ([]policy.File, error) {
	refusal := source.NewRefusal()
	var changed []policy.File
	for _, file := range source.Rego() {
		if file.Builtin {
			continue
		}
		formatted, err := format.SourceWithOpts(file.Name, file.Text, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			refusal.AddRego(err, file.Name)
			continue
		}
		if string(formatted) != string(file.Text) {
			changed = append(changed, policy.File{Name: file.Name, Text: formatted})
		}
	}
	return changed, refusal.Err()
}
