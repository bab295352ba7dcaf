package lint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// flow follows the facts through the compiled rules: it finds which parts of the document the
// value of a variable, argument or rule can be. If that is not certain, it assumes more
// parts, so that no read of a section is missed. OPA's own type check does not know the
// arguments of functions.
type flow struct {
	input, settings *node
	docs            map[string]*doc
	vars            map[variable]*nodes
	sites           map[*ast.Term]*node // the values that composite terms build
	collections     map[*ast.Term]*node // the values that heads with a key collect, by key
	reads           map[*ast.Rule]map[string]*ast.Location
	misspelt        func(*ast.Location, string, nodes) // nil until the last pass
	changed         bool

	frames         []*frame
	starts         map[*ast.Term]start
	opaque         *node // a builtin's result
	through, blind map[string]bool
}

// variable is a variable of one rule. Other rules can use the same name.
type variable struct {
	rule *ast.Rule
	name ast.Var
}

// doc has all rules of one path, and the values that the path can have.
type doc struct {
	rules []*ast.Rule
	value nodes
}

// start is where a reference to data begins, and the keys that follow.
type start struct {
	doc  *doc
	rest ast.Ref
}

// follow repeats the flow until nothing is added, and then once more to report
// keys that no fact has.
func follow(modules map[string]*ast.Module, input, settings *node, misspelt func(*ast.Location, string, nodes)) *flow {
	f := &flow{
		input: input, settings: settings,
		docs: map[string]*doc{}, vars: map[variable]*nodes{},
		sites: map[*ast.Term]*node{}, collections: map[*ast.Term]*node{},
		reads: map[*ast.Rule]map[string]*ast.Location{}, starts: map[*ast.Term]start{},
		opaque: newBuilt(), through: throughBuiltins(), blind: blindBuiltins(),
	}
	f.opaque.elems = nodes{f.opaque}
	for _, module := range modules {
		for _, rule := range module.Rules {
			doc := f.docOf(rule)
			doc.rules = append(doc.rules, rule)
			f.frames = append(f.frames, newFrame(f, rule, doc))
		}
	}
	for f.changed = true; f.changed; {
		f.changed = false
		f.pass()
	}
	f.misspelt = misspelt
	f.pass()
	return f
}

func (f *flow) pass() {
	for _, frame := range f.frames {
		frame.run()
	}
}

func (f *flow) docOf(rule *ast.Rule) *doc {
	path := rule.Ref().GroundPrefix().String()
	if f.docs[path] == nil {
		f.docs[path] = &doc{}
	}
	return f.docs[path]
}

func (f *flow) grow(into *nodes, more nodes) {
	if into.add(more) {
		f.changed = true
	}
}

// built returns the only node that a term builds.
func built(of map[*ast.Term]*node, t *ast.Term) *node {
	if of[t] == nil {
		of[t] = newBuilt()
	}
	return of[t]
}

// read records that a rule reads a section; the first place is reported.
func (f *flow) read(rule *ast.Rule, section string, at *ast.Location) {
	if f.reads[rule] == nil {
		f.reads[rule] = map[string]*ast.Location{}
	}
	if old := f.reads[rule][section]; old == nil || at.Row < old.Row {
		f.reads[rule][section] = at
	}
}

// start resolves a reference to data: to rules, to the settings, or to a whole
// package, whose value has everything in it.
func (f *flow) start(t *ast.Term, ref ast.Ref) start {
	if known, ok := f.starts[t]; ok {
		return known
	}
	s := f.resolve(ref)
	f.starts[t] = s
	return s
}

func (f *flow) resolve(ref ast.Ref) start {
	ground := ref.GroundPrefix()
	for i := len(ground); i > 1; i-- {
		if found := f.docs[ground[:i].String()]; found != nil {
			return start{found, ref[i:]}
		}
	}
	if len(ground) > 1 && ground[1].Equal(ast.StringTerm("settings")) {
		return start{&doc{value: nodes{f.settings}}, ref[2:]}
	}
	whole := newBuilt()
	for path, found := range f.docs {
		if strings.HasPrefix(path, ground.String()) {
			value := &found.value
			whole.fields[path] = value
		}
	}
	// Any number of keys leads to any of the rules.
	whole.elems = nodes{whole}
	return start{&doc{value: nodes{whole}}, ref[len(ground):]}
}
