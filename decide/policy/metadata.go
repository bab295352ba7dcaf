package policy

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"stackpolicy/decide/scope"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/lazyregexp"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Invariant is one good state, and the rule that finds where it does not hold.
type Invariant struct {
	ID          string
	Title       string // one line; the message of an allow
	Description string
	Class       finding.Class    // the kind of its subjects
	Severity    finding.Severity // page or ticket, for findings that do not set it
	Needs       []string         // sections without which it cannot be decided
	Optional    []string         // sections that the rule reads if they exist
	Actions     []finding.Action // that its findings may ask for
	Replaces    string           // digest of the built-in rule that it was made from; empty: METADATA does not say
	Running     bool             // it is about whether a unit runs: a hold covers its findings
	File        string           // relative to the policy folder
	Line        int              // of the first finding rule
	Rules       []Rule           // the finding rules, in the order of the file
	Runbook     Runbook
	Scope       scope.Scope // what its findings depend on; set when the rules are compiled
	Digest      string      // over its rules, those that they use, and the settings; set likewise

	metadata *ast.Annotations
}

// Rule is one of the rules that give an invariant's findings.
type Rule struct {
	Line int    `json:"line"` // in the invariant's file
	Text string `json:"text"` // its source, without METADATA
}

// HasMetadata reports whether the rule's file has a METADATA block.
func (inv *Invariant) HasMetadata() bool { return inv.metadata != nil }

// Ref returns the Rego reference of the invariant's findings.
func (inv *Invariant) Ref() ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, key := range []string{"stackpolicy", "invariants", inv.ID, "finding"} {
		ref = append(ref, ast.StringTerm(key))
	}
	return ref
}

func customKeys() []string {
	return []string{"actions", "class", "needs", "optional", "replaces", "runbook", "running", "severity"}
}

// place describes where rules must be in a folder.
const place = "rules belong in main.rego, lib/ or invariants/ID/ID.rego"

var ruleDigest = lazyregexp.New(`^sha256:[0-9a-f]{64}$`)

var invariantFile = lazyregexp.New(`^invariants/([a-z][a-z0-9_]*)/([a-z][a-z0-9_]*)\.rego$`)

// readInvariants finds the invariants among the modules. It refuses rules in other places,
// and packages that do not fit their place. It removes misplaced modules, so that they cause
// no further errors.
func readInvariants(rules, prose map[string][]byte, modules map[string]*ast.Module, refusal *Refusal) []*Invariant {
	var invariants []*Invariant
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m := invariantFile.Get().FindStringSubmatch(name)
		switch {
		case m != nil && m[1] == m[2]:
			if !checkPackage(modules[name], "stackpolicy.invariants."+m[1], name, owner, refusal) {
				delete(modules, name)
				continue
			}
			invariants = append(invariants, readInvariant(m[1], name, rules[name], prose, modules[name], refusal))
		case name == "main.rego":
			checkPackage(modules[name], "stackpolicy", name, owner, refusal)
		case strings.HasPrefix(name, "lib/"):
			checkLibrary(modules[name], name, refusal)
		default:
			refusal.Add(name, 0, "rules are not read from here; %s", place)
			delete(modules, name)
		}
	}
	if len(invariants) == 0 && len(refusal.Problems) == 0 {
		refusal.Add("", 0, "holds no invariants; %s", place)
	}
	return invariants
}

func packageOf(module *ast.Module) string {
	return strings.TrimPrefix(module.Package.Path.String(), "data.")
}

// checkPackage refuses a package whose name does not fit its place, and an invariant that is
// defined twice.
func checkPackage(module *ast.Module, want, name string, owner map[string]string, refusal *Refusal) bool {
	have, line := packageOf(module), module.Package.Location.Row
	first, taken := owner[have]
	if !taken {
		owner[have] = fmt.Sprintf("%s:%d", name, line)
	}
	switch {
	case have == want && !taken:
		return true
	case taken:
		refusal.Add(name, line, "package %s is already defined in %s; this file's is %s", have, first, want)
	default:
		refusal.Add(name, line, "package %s does not fit its place; want %s", have, want)
	}
	return false
}

func checkLibrary(module *ast.Module, name string, refusal *Refusal) {
	if have := packageOf(module); have != "stackpolicy.lib" && !strings.HasPrefix(have, "stackpolicy.lib.") {
		refusal.Add(name, module.Package.Location.Row, "package %s does not fit its place; want stackpolicy.lib or a package below it", have)
	}
}

// readInvariant reads an invariant's METADATA, rules and runbook.
func readInvariant(id, name string, source []byte, prose map[string][]byte, module *ast.Module, refusal *Refusal) *Invariant {
	inv := &Invariant{ID: id, File: name}
	inv.readRules(module, refusal)
	for _, a := range module.Annotations {
		if a.Scope == "package" {
			inv.metadata = a
		}
	}
	if inv.metadata == nil {
		refusal.Add(name, module.Package.Location.Row, "has no METADATA; want a # METADATA block above the package with title, description, schemas and custom")
		return inv
	}
	reader := &metadataReader{inv: inv, source: source, refusal: refusal}
	reader.read(prose)
	return inv
}

// readRules reads the finding rules.
func (inv *Invariant) readRules(module *ast.Module, refusal *Refusal) {
	for _, rule := range module.Rules {
		if rule.Head.Name != "finding" {
			continue
		}
		if rule.Head.RuleKind() != ast.MultiValue || len(rule.Head.Ref()) != 1 {
			refusal.Add(inv.File, rule.Location.Row, "finding must be a set; want finding contains {…} if …")
		}
		if len(inv.Rules) == 0 {
			inv.Line = rule.Location.Row
		}
		inv.Rules = append(inv.Rules, Rule{rule.Location.Row, string(rule.Location.Text)})
	}
	if len(inv.Rules) == 0 {
		refusal.Add(inv.File, module.Package.Location.Row, "has no rule finding; want finding contains {…} if …")
	}
}

// metadataReader checks one METADATA block field by field.
type metadataReader struct {
	inv     *Invariant
	source  []byte
	refusal *Refusal
}

func (r *metadataReader) read(prose map[string][]byte) {
	m, inv := r.inv.metadata, r.inv
	inv.Title, inv.Description = strings.TrimSpace(m.Title), strings.TrimSpace(m.Description)
	if inv.Title == "" {
		r.problem("title", "METADATA has no title; want one line that states the good state")
	}
	if inv.Description == "" {
		r.problem("description", "METADATA has no description")
	}
	r.checkSchemas()
	for _, key := range slices.Sorted(maps.Keys(m.Custom)) {
		if !slices.Contains(customKeys(), key) {
			r.problem(key, "unknown METADATA key custom.%s; %s", key, OneOf(customKeys()))
		}
	}
	inv.Class = readName(r, "class", finding.Classes())
	inv.Severity = readName(r, "severity", finding.DefaultSeverities())
	inv.Needs = readNames(r, "needs", facts.SectionNames(), true)
	inv.Optional = readNames(r, "optional", facts.SectionNames(), false)
	inv.Actions = readNames(r, "actions", finding.Actions(), true)
	r.readReplaces()
	r.readRunning()
	r.readRunbook(prose)
}

// checkSchemas requires input: schema.facts, so that opa check also finds misspelt facts.
func (r *metadataReader) checkSchemas() {
	isInput := func(s *ast.SchemaAnnotation) bool { return s.Path.String() == "input" }
	refused := r.refusal.has(r.inv.File, keyLine(r.source, r.inv.metadata, "schemas"))
	if !refused && !slices.ContainsFunc(r.inv.metadata.Schemas, isInput) {
		r.problem("schemas", "METADATA has no schema of the input; want schemas: [{input: schema.facts}]")
	}
}

// readName reads a custom key that is one of the known names.
func readName[T ~string](r *metadataReader, key string, known []T) T {
	raw, given := r.inv.metadata.Custom[key]
	value, ok := raw.(string)
	switch {
	case !given:
		r.problem(key, "METADATA has no custom.%s; %s", key, OneOf(known))
	case !ok || !slices.Contains(known, T(value)):
		r.problem(key, "unknown %s %v; %s", key, raw, OneOf(known))
	}
	return T(value)
}

// readNames reads a custom key that is a list of known names. The lists needs and actions
// are required, even if they are empty.
func readNames[T ~string](r *metadataReader, key string, known []T, must bool) []T {
	raw, given := r.inv.metadata.Custom[key]
	if !given {
		if must {
			r.problem(key, "METADATA has no custom.%s; want a list, empty when there are none; %s", key, OneOf(known))
		}
		return nil
	}
	list, ok := raw.([]any)
	if !ok {
		r.problem(key, "custom.%s is not a list; want [name, …]; %s", key, OneOf(known))
		return nil
	}
	var names []T
	for _, item := range list {
		name, ok := item.(string)
		if !ok || !slices.Contains(known, T(name)) {
			r.problem(key, "unknown name %v in custom.%s; %s", item, key, OneOf(known))
			continue
		}
		names = append(names, T(name))
	}
	return names
}

// readReplaces reads the digest of the built-in rule that this one was made from. The key is
// optional.
func (r *metadataReader) readReplaces() {
	raw, given := r.inv.metadata.Custom["replaces"]
	r.inv.Replaces, _ = raw.(string)
	if given && !ruleDigest.Get().MatchString(r.inv.Replaces) {
		r.problem("replaces", "custom.replaces is %v; want sha256: and 64 hexadecimal digits", raw)
	}
}

// readRunning reads whether a hold covers the findings. The key is optional.
func (r *metadataReader) readRunning() {
	raw, given := r.inv.metadata.Custom["running"]
	var ok bool
	if r.inv.Running, ok = raw.(bool); given && !ok {
		r.problem("running", "custom.running is %v; want true or false", raw)
	}
}

func (r *metadataReader) readRunbook(prose map[string][]byte) {
	raw, given := r.inv.metadata.Custom["runbook"]
	base, ok := raw.(string)
	name := path.Join(path.Dir(r.inv.File), base)
	switch {
	case !given:
		r.problem("runbook", "METADATA has no custom.runbook; want the name of a file beside the rule, e.g. runbook.md")
	case !ok || base != path.Base(base) || path.Ext(base) != ".md":
		r.problem("runbook", "custom.runbook %v is not the name of a .md file beside the rule", raw)
	case prose[name] == nil:
		r.problem("runbook", "the runbook %s does not exist; want it beside the rule", base)
	default:
		r.inv.Runbook = parseRunbook(name, string(prose[name]))
	}
}

// problem adds a problem at the line of the METADATA block that has the key, or at its
// start.
func (r *metadataReader) problem(key, format string, args ...any) {
	r.refusal.Add(r.inv.File, keyLine(r.source, r.inv.metadata, key), format, args...)
}
