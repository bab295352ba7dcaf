package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// knownSchemas has the only schemas that METADATA may name, by what they describe.
var knownSchemas = map[string]string{"input": "schema.facts", "data.settings": "schema.settings"}

// refuseSchemas refuses any other schema in METADATA of any scope, and removes
// it: the compiler would open the file, pipe or device that a $ref in it names.
func refuseSchemas(name string, source []byte, module *ast.Module, refusal *Refusal) {
	for _, a := range module.Annotations {
		a.Schemas = slices.DeleteFunc(a.Schemas, func(s *ast.SchemaAnnotation) bool {
			if s.Definition == nil && s.Schema.String() == knownSchemas[s.Path.String()] {
				return false
			}
			refusal.Add(name, keyLine(source, a, "schemas"),
				"unknown METADATA schema %s: %s; want input: schema.facts or data.settings: schema.settings", s.Path, schemaText(s))
			return true
		})
	}
}

func schemaText(s *ast.SchemaAnnotation) string {
	if s.Definition == nil {
		return s.Schema.String()
	}
	return fmt.Sprintf("%.100s", fmt.Sprint(*s.Definition))
}

// keyLine returns the line of a METADATA block that names the key, or its first.
func keyLine(source []byte, a *ast.Annotations, key string) int {
	from, to := a.Location.Row, a.EndLoc().Row
	for i, line := range strings.Split(string(source), "\n") {
		if row := i + 1; row >= from && row <= to && strings.HasPrefix(strings.TrimLeft(line, "#- "), key+":") {
			return row
		}
	}
	return from
}
