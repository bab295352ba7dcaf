// Package scope finds out of which parts of a document the findings of a rule are made:
// whether they can be decided one unit at a time, and which other keys they read. A part that
// did not change gives the same findings again.
//
// Start at [Of]. It follows the compiled rules and counts, in each body, of how many units
// the values are. What it does not know for certain it takes for the whole document.
package scope

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Scope is what the findings of one invariant depend on.
type Scope struct {
	// Unit says that the findings about a unit depend only on that unit's facts and on
	// Keys, and those about the host only on Keys. Otherwise they depend on all units.
	Unit bool
	// Units says that the rules read the units at all.
	Units bool
	// Keys are the places of the document that the rules read, sorted, such as collected_at
	// or manager.version. units.loaded is that of every unit, and units is all of them. A
	// place that ends with .* is a list, or a map of which the keys are not known; of one
	// that ends with ? it only matters whether there is anything. The name of a unit is
	// always read.
	Keys []string
	// Whole says that they read the document as a whole, so that Keys may lack some.
	Whole bool
	// Settings are the keys of data.settings that the rules read, sorted; AllSettings among
	// them means all.
	Settings []string
	// Files are those with the rules that they use, sorted.
	Files []string
}

// PerUnit reports whether the findings can be decided one unit at a time.
func (s Scope) PerUnit() bool { return s.Unit && s.Units && !s.Whole }

// Head returns the keys besides those of units.
func (s Scope) Head() []string { return slices.DeleteFunc(slices.Clone(s.Keys), isOfUnit) }

// OfUnits returns the keys below units, which are read of each; all is true if that may be
// everything.
func (s Scope) OfUnits() (keys []string, all bool) {
	for _, k := range s.Keys {
		if below, is := strings.CutPrefix(k, "units."); is {
			keys = append(keys, below)
		}
		all = all || k == "units" || k == "units.*"
	}
	return keys, all || s.Whole
}

func isOfUnit(key string) bool { return key == "units" || strings.HasPrefix(key, "units.") }

// String is unit or host.
func (s Scope) String() string {
	if s.PerUnit() {
		return "unit"
	}
	return "host"
}

// AllSettings stands for all keys of data.settings.
const AllSettings = "*"

// Exists ends a place of which it only matters whether there is anything.
const Exists = "?"

// maxSteps bounds the work for one invariant, as functions are followed at each call.
const maxSteps = 200_000

// Of returns the scope of the rules at each reference, such as an invariant's findings.
func Of(compiler *ast.Compiler, findings ...ast.Ref) []Scope {
	rules := rulesByPath(compiler)
	scopes := make([]Scope, len(findings))
	for i, ref := range findings {
		scopes[i] = of(rules, ref)
	}
	return scopes
}

func of(rules map[string][]*ast.Rule, finding ast.Ref) Scope {
	a := &analysis{
		rules: rules, known: map[string]*value{}, keys: map[string]bool{}, files: map[string]bool{}, settings: map[string]bool{}, parent: map[token]token{},
	}
	found := a.path(finding.String())
	a.read(found)
	if a.steps >= maxSteps {
		return Scope{Units: true, Whole: true, Settings: []string{AllSettings}}
	}
	maps.DeleteFunc(a.keys, func(k string, _ bool) bool {
		read, isExists := strings.CutSuffix(k, Exists)
		return isExists && a.keys[read]
	})
	return Scope{
		Unit: isOfUnits(found), Units: a.units || a.whole, Whole: a.whole, Keys: slices.Sorted(maps.Keys(a.keys)),
		Settings: slices.Sorted(maps.Keys(a.settings)), Files: slices.Sorted(maps.Keys(a.files)),
	}
}

// isOfUnits reports whether each finding is of at most one unit, and then about it.
func isOfUnits(findings *value) bool {
	if findings.wide || !findings.isSet || findings.elem.isOfMany() {
		return false
	}
	subject := findings.elem.fields["subject"]
	return subject != nil && (subject.host || subject.isName && subject.of == findings.self)
}

// rulesByPath returns the rules by their constant path below data.
func rulesByPath(compiler *ast.Compiler) map[string][]*ast.Rule {
	paths := map[string][]*ast.Rule{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			name := rule.Ref().GroundPrefix().String()
			paths[name] = append(paths[name], rule)
		}
	}
	return paths
}

// analysis follows the rules of one invariant.
type analysis struct {
	rules    map[string][]*ast.Rule
	known    map[string]*value // of paths that are no functions
	keys     map[string]bool
	files    map[string]bool
	settings map[string]bool
	units    bool
	whole    bool
	parent   map[token]token // a token, and the older one that is the same unit
	last     token
	steps    int
}

func (a *analysis) fresh() token {
	a.last++
	return a.last
}

// root returns the oldest token that is the same unit.
func (a *analysis) root(t token) token {
	for {
		older, has := a.parent[t]
		if !has {
			return t
		}
		t = older
	}
}

// path returns the value of the rules at a path that are no functions. It is wide if it
// depends on units in another way than by being a collection of what each gives.
func (a *analysis) path(name string) *value {
	if v, ok := a.known[name]; ok {
		return v
	}
	a.known[name] = wide // of a recursion, which the compiler refuses
	var all *value
	for _, rule := range a.rules[name] {
		a.files[rule.Location.File] = true
		for branch := rule; branch != nil; branch = branch.Else {
			all = a.join(all, a.branch(branch))
		}
	}
	for below := range a.rules { // only such as by["host"] beside by[name], or those of a package
		if strings.HasPrefix(below, name+".") || strings.HasPrefix(below, name+"[") {
			a.read(all, a.path(below))
			all = wide
		}
	}
	if all == nil || len(all.tokens) > 0 {
		a.read(all)
		all = wide
	}
	a.known[name] = all
	return all
}

// branch returns what a rule, or one of its else branches, gives to its path.
func (a *analysis) branch(rule *ast.Rule) *value {
	b := a.newBody()
	b.run(rule.Body)
	ref := rule.Head.Ref()
	keys := slices.Clone(ref[len(ref.GroundPrefix()):])
	isSet := rule.Head.Key != nil && rule.Head.Value == nil
	switch {
	case len(rule.Head.Args) > 0 || len(keys) > 1 || len(keys) == 1 && isSet:
		for _, t := range append(keys, rule.Head.Key, rule.Head.Value) {
			if t != nil {
				b.term(t)
			}
		}
		return wide
	case isSet:
		set := b.collected(nil, b.named(rule.Head.Key))
		if !set.wide {
			set.isSet = true
		}
		return set
	case len(keys) == 1:
		return b.collected(b.named(keys[0]), b.named(rule.Head.Value))
	}
	v := b.named(rule.Head.Value)
	if b.isWide() {
		a.read(v)
		return wide
	}
	return v.with(b.tokens())
}
