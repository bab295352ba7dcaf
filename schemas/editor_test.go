package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/notify"
	"stackpolicy/policies"
)

type object = map[string]any

// described generates schemas of what is written in YAML. The comments of fields are their
// descriptions.
type described map[string]string // "Config.Units" -> its comment

func commentsOf(t *testing.T, folders ...string) described {
	t.Helper()
	d := described{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", folder, err)
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, d.add)
		}
	}
	return d
}

func (d described) add(node ast.Node) bool {
	spec, ok := node.(*ast.TypeSpec)
	if !ok {
		return true
	}
	if fields, ok := spec.Type.(*ast.StructType); ok {
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				text := strings.NewReplacer("[", "", "]", "", "\n", " ").Replace(f.Doc.Text() + f.Comment.Text())
				d[spec.Name.Name+"."+name.Name] = strings.TrimSpace(text)
			}
		}
	}
	return false
}

// words are the fields that are one of a few words.
var words = map[string][]any{
	"Config.Mode": {config.Observe, config.Enforce}, "Stack.OnFailure": {config.Keep, config.Rollback},
	"Selection.Severity": {notify.SeverityPage, notify.SeverityTicket}, "Webhook.Method": {"POST", "PUT"},
}

func (d described) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return object{"type": "string", "pattern": "^[0-9.]+(ns|us|µs|ms|s|m|h)([0-9.]+(ns|us|µs|ms|s|m|h))*$"}
	case reflect.TypeFor[config.Mode]():
		return object{"type": []any{"string", "integer"}}
	case reflect.TypeFor[config.File]():
		return object{"anyOf": []any{object{"type": "string"}, d.fields(t)}}
	case reflect.TypeFor[notify.URL]():
		return object{"anyOf": []any{object{"type": "string"}, d.fields(reflect.TypeFor[notify.Secret]())}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": d.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.of(t.Elem())}
	case reflect.Struct:
		return d.fields(t)
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.String:
		return object{"type": "string"}
	}
	panic(fmt.Sprintf("no schema for %s", t))
}

// fields is the schema of a mapping: other keys are refused, as by the reader.
func (d described) fields(t reflect.Type) object {
	properties := object{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		if tag == ",inline" {
			for key, schema := range d.of(f.Type)["properties"].(object) {
				properties[key] = schema
			}
			continue
		}
		key, id := tag, t.Name()+"."+f.Name
		schema := d.of(f.Type)
		if d[id] != "" {
			schema["description"] = d[id]
		}
		if words[id] != nil {
			schema["enum"] = words[id]
		}
		properties[key] = schema
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// editorSchemas are the schemas of the files that people write, by file name.
func editorSchemas(t *testing.T) map[string]object {
	t.Helper()
	ofConfig := commentsOf(t, "../config", "../notify").of(reflect.TypeFor[config.Config]())
	content, err := os.ReadFile("v1/settings.json")
	if err != nil {
		t.Fatal(err)
	}
	var settings object
	if err := json.Unmarshal(content, &settings); err != nil {
		t.Fatal(err)
	}
	delete(settings, "$schema")
	oneOf := func(of any) object { return object{"enum": of} }
	listOf := func(of any) object { return object{"type": "array", "items": object{"enum": of}} }
	custom := object{"type": "object", "additionalProperties": false, "required": []any{"class", "severity", "needs", "actions", "runbook"}, "properties": object{
		"class": oneOf(finding.Classes()), "severity": oneOf(finding.DefaultSeverities()),
		"needs": listOf(facts.SectionNames()), "optional": listOf(facts.SectionNames()), "actions": listOf(finding.Actions()),
		"runbook":  object{"type": "string", "pattern": `^[^/]+\.md$`, "description": "a file beside the rule"},
		"running":  object{"type": "boolean", "description": "whether a hold covers the findings"},
		"replaces": object{"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": "digest of the built-in rule that this one was made from"},
	}}
	text := object{"type": "string", "pattern": `\S`}
	all := map[string]object{
		"config.json":   ofConfig,
		"settings.json": {"type": "object", "properties": object{"settings": settings}, "additionalProperties": false},
		"metadata.json": {"type": "object", "required": []any{"title", "description", "schemas", "custom"}, "properties": object{
			"title": text, "description": text, "custom": custom, "schemas": object{"type": "array", "items": object{"type": "object"}},
		}},
	}
	titles := map[string]string{"config.json": "stackpolicy config.yaml", "settings.json": "stackpolicy settings.yaml", "metadata.json": "METADATA of a stackpolicy invariant"}
	for name, schema := range all {
		schema["$schema"], schema["title"] = "http://json-schema.org/draft-07/schema#", titles[name]
	}
	return all
}

// The schemas for editors are those of the types, words and settings.
func TestEditorSchemasAreFresh(t *testing.T) {
	for name, schema := range editorSchemas(t) {
		want, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want, path := append(want, '\n'), filepath.Join("editor", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v); run: go test ./schemas -update", path, err)
		}
	}
}

// fitsEditor validates a YAML text.
func fitsEditor(t *testing.T, schema string, content []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, filepath.Join("editor", schema)).Validate(decoded(t, asJSON))
}

// Our own files fit, and files that the programs refuse do not.
func TestEditorSchemas(t *testing.T) {
	files, _ := filepath.Glob("../lab/matrix/*/*/config.yaml")
	more, _ := filepath.Glob("../lab/matrix/*/config.yaml")
	if files = append(files, more...); len(files) < 2 {
		t.Fatalf("only %d configurations", len(files))
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := fitsEditor(t, "config.json", content); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	builtin, err := policies.FS.ReadFile("settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := fitsEditor(t, "settings.json", builtin); err != nil {
		t.Errorf("settings.yaml: %v", err)
	}
	for name, c := range map[string]struct{ schema, text string }{
		"an unknown key":         {"config.json", "unit: [a.service]"},
		"a nested one":           {"config.json", "stacks: {web: {verify: {timout: 5s}}}"},
		"another mode":           {"config.json", "mode: heal"},
		"a duration of no unit":  {"config.json", "stacks: {web: {apply: {timeout: 5}}}"},
		"settings of no name":    {"settings.json", "restart: []"},
		"an unknown setting":     {"settings.json", "settings: {restrat: []}"},
		"metadata of no class":   {"metadata.json", "{title: a, description: b, schemas: [], custom: {severity: page, needs: [], actions: [], runbook: a.md}}"},
		"an unknown custom key":  {"metadata.json", "{title: a, description: b, schemas: [], custom: {class: host, severity: page, needs: [], actions: [], runbook: a.md, more: 1}}"},
		"an unknown section":     {"metadata.json", "{title: a, description: b, schemas: [], custom: {class: host, severity: page, needs: [unit], actions: [], runbook: a.md}}"},
		"a runbook in elsewhere": {"metadata.json", "{title: a, description: b, schemas: [], custom: {class: host, severity: page, needs: [], actions: [], runbook: ../a.md}}"},
	} {
		if err := fitsEditor(t, c.schema, []byte(c.text)); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
	right := "alerts: {journal: {severity: page, repeat: 1h30m}, textfile: /a.prom, webhooks: [{name: a, url: {file: /a}, headers: {A: b}}, {name: b, url: 'https://a/'}]}\n" +
		"stacks: {web: {env_files: [/a, {path: /b, mode: '0600', owner: root}], probes: [{http: 'http://a/', status: 200, within: 2s}], verify: {healthy: false}}}\n"
	if err := fitsEditor(t, "config.json", []byte(right)); err != nil {
		t.Errorf("a configuration with all kinds of values: %v", err)
	}
}

// The METADATA of every built-in invariant fits.
func TestMetadataSchema(t *testing.T) {
	rules, err := filepath.Glob("../policies/invariants/*/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, rule := range rules {
		if strings.HasSuffix(rule, "_test.rego") {
			continue
		}
		content, err := os.ReadFile(rule)
		if err != nil {
			t.Fatal(err)
		}
		_, after, ok := strings.Cut(string(content), "# METADATA\n")
		block, _, _ := strings.Cut(after, "\npackage ")
		if !ok {
			t.Errorf("%s: no METADATA", rule)
		}
		var text strings.Builder
		for line := range strings.Lines(block) {
			text.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
		}
		if err := fitsEditor(t, "metadata.json", []byte(text.String())); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d invariants", seen)
	}
}
