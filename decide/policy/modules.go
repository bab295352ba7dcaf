package policy

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sync/errgroup"

	"stackpolicy/internal/lazyregexp"
)

// parseModules parses Rego files, several at the same time, and adds all syntax errors to
// the refusal. It leaves out files with errors, and does not parse those that have some already.
func parseModules(sources map[string][]byte, refusal *Refusal) map[string]*ast.Module {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(sources)), func(name string) bool {
		return slices.ContainsFunc(refusal.Problems, func(p Problem) bool { return p.File == name })
	})
	parsed, errs := make([]*ast.Module, len(names)), make([]error, len(names))
	known := ast.CapabilitiesForThisVersion() // otherwise every parser sorts the builtins again
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		group.Go(func() error {
			parsed[i], errs[i] = parseModule(name, sources[name], known)
			return nil
		})
	}
	_ = group.Wait() // errors are in errs
	modules := make(map[string]*ast.Module, len(names))
	for i, name := range names {
		if errs[i] != nil {
			refusal.AddRego(errs[i], name)
			continue
		}
		refuseSchemas(name, sources[name], parsed[i], refusal)
		modules[name] = parsed[i]
	}
	return modules
}

func parseModule(name string, source []byte, known *ast.Capabilities) (*ast.Module, error) {
	return ast.ParseModuleWithOpts(name, string(source), ast.ParserOptions{
		ProcessAnnotation: true,
		RegoVersion:       ast.RegoV1,
		Capabilities:      known,
	})
}

// AddRego adds OPA's errors as problems of one line. Errors without a place are about file.
func (r *Refusal) AddRego(err error, file string) {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = ast.Errors{one}
	default:
		r.Add(file, 0, "%v", err)
	}
	for _, e := range list {
		line := 0
		if e.Location != nil {
			file, line = e.Location.File, e.Location.Row
		}
		if !r.has(file, line) {
			r.Add(file, line, "%s", describe(e))
		}
	}
}

// undefinedFunction matches OPA's error for a function that is neither defined nor built in.
var undefinedFunction = lazyregexp.New(`^undefined function (\S+)$`)

// describe returns OPA's error in one line, with what would be right.
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
	return fmt.Sprintf("%s: %s is not a key there; known: %s", text, detail.Ref[detail.Pos], strings.Join(keys, ", "))
}
