package lint

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
)

// checkReads refuses a rule that reads a section that it does not declare, also through other
// rules and functions, and a key that no fact has. A rule that reads an absent section finds
// nothing, which would look like a pass.
func checkReads(compiler *ast.Compiler, invariants []*policy.Invariant, schemas fs.FS, refusal *policy.Refusal) error {
	input, err := factNodes(schemas, "facts", "input")
	if err != nil {
		return err
	}
	settings, err := factNodes(schemas, "settings", "data.settings")
	if err != nil {
		return err
	}
	f := follow(compiler.Modules, input, settings, func(at *ast.Location, key string, from nodes) {
		refusal.Add(at.File, at.Row, "%s", unknownFact(key, from))
	})
	for _, inv := range invariants {
		checkDeclared(compiler, inv, f, refusal)
	}
	return nil
}

func unknownFact(key string, from nodes) string {
	var paths []string
	for _, n := range from {
		paths = append(paths, n.path)
	}
	slices.Sort(paths)
	text := "unknown fact " + key + " in " + strings.Join(paths, ", ")
	if known := from.knownKeys(); len(known) > 0 {
		return text + "; " + policy.OneOf(known)
	}
	return text + "; it has no keys"
}

// checkDeclared compares the sections that the invariant's findings use with its METADATA.
func checkDeclared(compiler *ast.Compiler, inv *policy.Invariant, f *flow, refusal *policy.Refusal) {
	if !inv.HasMetadata() {
		return
	}
	for section, at := range readsOf(compiler, inv, f) {
		if slices.Contains(inv.Needs, section) || slices.Contains(inv.Optional, section) {
			continue
		}
		line, through := at.Row, ""
		if at.File != inv.File {
			line, through = inv.Line, " (in "+at.File+")"
		}
		refusal.Add(inv.File, line, "reads %s%s, which METADATA does not declare; add it to custom.needs, or to custom.optional when the rule can do without it", section, through)
	}
}

// readsOf returns the sections that the findings use, and where each is read, preferably in
// the invariant's own file.
func readsOf(compiler *ast.Compiler, inv *policy.Invariant, f *flow) map[string]*ast.Location {
	found := map[string]*ast.Location{}
	for _, rule := range reached(compiler, inv) {
		if rule.Head.Name == "finding" && rule.Location.File == inv.File {
			(&frame{flow: f, rule: rule}).whole(f.docOf(rule).value, rule.Location)
		}
		for section, at := range f.reads[rule] {
			if old := found[section]; old == nil || before(at, old, inv.File) {
				found[section] = at
			}
		}
	}
	return found
}

// before orders places: first those in the given file, then by name and line.
func before(a, b *ast.Location, file string) bool {
	if (a.File == file) != (b.File == file) {
		return a.File == file
	}
	return a.Compare(b) < 0
}

// reached returns the invariant's finding rules, and every rule and function that they use.
func reached(compiler *ast.Compiler, inv *policy.Invariant) []*ast.Rule {
	seen := map[*ast.Rule]bool{}
	var visit func(*ast.Rule)
	visit = func(rule *ast.Rule) {
		if seen[rule] {
			return
		}
		seen[rule] = true
		for dependency := range compiler.Graph.Dependencies(rule) {
			visit(dependency.(*ast.Rule))
		}
	}
	for _, rule := range compiler.GetRulesExact(inv.Ref()) {
		visit(rule)
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b *ast.Rule) int { return a.Location.Compare(b.Location) })
}
