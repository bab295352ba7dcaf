package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"stackpolicy/internal/lazyregexp"

	"github.com/open-policy-agent/opa/v1/ast"
)

// parseModules parses every rule file, side by side, and reports all syntax
// errors.
func parseModules(sources map[string][]byte, refusal *Refusal) map[string]*ast.Module {
	names := slices.Sorted(maps.Keys(sources))
	parsed, errs := make([]*ast.Module, len(names)), make([]error, len(names))
	known := ast.CapabilitiesForThisVersion() // else every parser sorts the builtins anew
	sideBySide(len(names), func(i int) {
		parsed[i], errs[i] = parseModule(names[i], sources[names[i]], known)
	})
	modules := make(map[string]*ast.Module, len(names))
	for i, name := range names {
		if errs[i] != nil {
			addASTErrors(errs[i], name, refusal)
			continue
		}
		modules[name] = parsed[i]
	}
	return modules
}

// sideBySide does n pieces of work on all processors.
func sideBySide(n int, work func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	workers.Wait()
}

func parseModule(name string, source []byte, known *ast.Capabilities) (*ast.Module, error) {
	return ast.ParseModuleWithOpts(name, string(source), ast.ParserOptions{
		ProcessAnnotation: true,
		RegoVersion:       ast.RegoV1,
		Capabilities:      known,
	})
}

// compile type-checks the modules against the schemas and returns the
// compiler, or nil when something was refused.
func compile(modules map[string]*ast.Module, opts Options, refusal *Refusal) (*ast.Compiler, error) {
	compiler := ast.NewCompiler().
		SetErrorLimit(0).
		WithCapabilities(capabilities()).
		WithStrict(true)
	if opts.Trusted {
		compiler.WithSkipStages(trustedSkips()...)
	} else {
		set, err := schemaSet(opts.Schemas)
		if err != nil {
			return nil, err
		}
		compiler.WithSchemas(set).WithUseTypeCheckAnnotations(true)
	}
	compiler.Compile(modules)
	if compiler.Failed() {
		addASTErrors(compiler.Errors, "", refusal)
		return nil, nil
	}
	return compiler, nil
}

// trustedSkips are compiler stages that only find mistakes.
func trustedSkips() []ast.StageID {
	return []ast.StageID{
		ast.StageCheckTypes,
		ast.StageCheckUnsafeBuiltins,
		ast.StageCheckDeprecatedBuiltins,
		ast.StageCheckUnusedImports,
		ast.StageCheckDuplicateImports,
		ast.StageCheckKeywordOverrides,
		ast.StageCheckVoidCalls,
		ast.StageCheckRuleConflicts,
		ast.StageCheckUndefinedFuncs,
		ast.StageCheckSafetyRuleHeads,
		ast.StageCheckRecursion,
		ast.StageBuildRequiredCapabilities,
	}
}

// schemaSet makes facts.json and settings.json known as schema.facts and
// schema.settings.
func schemaSet(fsys fs.FS) (*ast.SchemaSet, error) {
	set := ast.NewSchemaSet()
	for _, name := range []string{"facts", "settings"} {
		var schema any
		if err := readSchema(fsys, name, &schema); err != nil {
			return nil, err
		}
		set.Put(ast.SchemaRootRef.Append(ast.StringTerm(name)), schema)
	}
	return set, nil
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

// addASTErrors turns OPA's errors into problems of one line each.
func addASTErrors(err error, file string, refusal *Refusal) {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = ast.Errors{one}
	default:
		refusal.add(file, 0, "%v", err)
	}
	for _, e := range list {
		line := 0
		if e.Location != nil {
			file, line = e.Location.File, e.Location.Row
		}
		if !refusal.has(file, line) {
			refusal.add(file, line, "%s", describe(e))
		}
	}
}

// undefinedFunction is how OPA says that a function is neither defined nor built in.
var undefinedFunction = lazyregexp.New(`^undefined function (\S+)$`)

// describe says in one line what OPA found, and what would be right.
func describe(e *ast.Error) string {
	text := strings.Join(strings.Fields(e.Message), " ")
	if text == "empty module" {
		return "is empty; want a package and rules"
	}
	if m := undefinedFunction.Get().FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("undefined function %s; define it in this package or import data.stackpolicy.lib", m[1])
	}
	detail, ok := e.Details.(*ast.RefErrInvalidDetail)
	if !ok && e.Code == ast.TypeErr && e.Details != nil {
		return text + ": " + strings.Join(strings.Fields(strings.Join(e.Details.Lines(), " ")), " ")
	}
	if !ok {
		return text
	}
	if len(detail.OneOf) == 0 {
		return fmt.Sprintf("%s: no key can be read there", text)
	}
	var keys []string
	for _, value := range detail.OneOf {
		keys = append(keys, strings.Trim(value.String(), `"`))
	}
	slices.Sort(keys)
	return fmt.Sprintf("%s: %s is no key there; known: %s", text, detail.Ref[detail.Pos], strings.Join(keys, ", "))
}
