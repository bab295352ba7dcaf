// Package lint refuses rules in which a mistake could look like a pass: rules that read facts
// that METADATA does not declare, misspelt facts, builtins whose result depends on more than
// their arguments, and findings or runbooks that are incomplete.
//
// Start at [Compile].
package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// Compile checks a folder's rules and compiles them; local has JSON Schemas of the operator's
// own facts, by name. All mistakes in the folder and its rules
// are in one error of type [*policy.Refusal]; any other error is about the schemas, or a
// context that ended.
func Compile(ctx context.Context, folder *policy.Folder, schemas fs.FS, local map[string]json.RawMessage) (*ast.Compiler, error) {
	checkCalls(folder.Rules, folder.Refusal)
	checkFindings(folder.Rules, folder.Refusal)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	set, err := schemaSet(schemas, local)
	if err != nil {
		return nil, err
	}
	compiler := NewCompiler().WithSchemas(set).WithUseTypeCheckAnnotations(true)
	if compiler.Compile(folder.Rules); compiler.Failed() {
		folder.Refusal.AddRego(compiler.Errors, "")
		return nil, folder.Refusal.Err()
	}
	if err := checkReads(compiler, folder.Invariants, schemas, folder.Refusal); err != nil {
		return nil, err
	}
	checkRunbooks(compiler, folder.Invariants, folder.Refusal)
	checkGrace(compiler, folder)
	return compiler, folder.Refusal.Err()
}

// NewCompiler returns a compiler that only knows the allowed builtins.
func NewCompiler() *ast.Compiler {
	return ast.NewCompiler().SetErrorLimit(0).WithCapabilities(Capabilities()).WithStrict(true)
}

// schemaSet returns facts.json, with the schemas of local facts, and settings.json as
// schema.facts and schema.settings.
func schemaSet(fsys fs.FS, local map[string]json.RawMessage) (*ast.SchemaSet, error) {
	set := ast.NewSchemaSet()
	for _, name := range []string{"facts", "settings"} {
		var schema any
		if err := readSchema(fsys, name, &schema); err != nil {
			return nil, err
		}
		if name == "facts" && len(local) > 0 {
			if err := addLocal(schema, local); err != nil {
				return nil, err
			}
		}
		set.Put(ast.SchemaRootRef.Append(ast.StringTerm(name)), schema)
	}
	return set, nil
}

// addLocal puts schemas of local facts into that of the document, below properties.local.
func addLocal(schema any, local map[string]json.RawMessage) error {
	at := func(key string) {
		if object, ok := schema.(map[string]any); ok {
			schema = object[key]
		}
	}
	at("properties")
	at("local")
	section, ok := schema.(map[string]any)
	if !ok {
		return errors.New("schema facts.json has no local facts")
	}
	facts := map[string]any{}
	for name, text := range local {
		var data any
		if err := json.Unmarshal(text, &data); err != nil {
			return fmt.Errorf("parse the schema of the local fact %s: %w", name, err)
		}
		facts[name] = map[string]any{
			"type":       "object",
			"properties": map[string]any{"changed_at": map[string]any{"type": "string"}, "data": data},
		}
	}
	section["properties"] = facts
	return nil
}

func readSchema(fsys fs.FS, name string, into any) error {
	data, err := fs.ReadFile(fsys, name+".json")
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("parse schema %s.json: %w", name, err)
	}
	return nil
}
