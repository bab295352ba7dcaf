package scope

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ref follows a reference key by key.
func (b *body) ref(ref ast.Ref) *value {
	v, rest := b.start(ref)
	for _, key := range rest {
		v = b.step(v, key)
	}
	return v
}

// start returns what a reference begins with, and the keys that follow.
func (b *body) start(ref ast.Ref) (*value, ast.Ref) {
	switch {
	case ref[0].Equal(ast.InputRootDocument):
		return &value{document: true}, ref[1:]
	case !ref[0].Equal(ast.DefaultRootDocument):
		return b.named(ref[0]), ref[1:]
	}
	ground := ref.GroundPrefix()
	if len(ground) > 1 && ground[1].Equal(ast.StringTerm("settings")) {
		b.setting(ground[2:])
		return plain, ref[2:]
	}
	if len(ground) == 1 { // all of data
		b.setting(nil)
	}
	for i := len(ground); i > 1; i-- {
		name := ground[:i].String()
		if len(b.rules[name]) > 0 {
			return b.path(name), ref[i:]
		}
	}
	return b.path(ground.String()), ref[len(ground):] // a package, or all of data
}

// setting notes that a setting is read; without a key, all are.
func (a *analysis) setting(key ast.Ref) {
	name := AllSettings
	if len(key) > 0 {
		if known, ok := constant(key[0]); ok {
			name = known
		}
	}
	a.settings[name] = true
}

func (b *body) step(v *value, key *ast.Term) *value {
	if name, ok := constant(key); ok && !v.isSet {
		return b.field(v, name)
	}
	if v.isSet && b.hasFree(key) {
		_, elem := b.any(v)
		b.used = union(b.used, elem.tokens)
		b.unify(key, elem)
		return elem
	}
	free, isFree := b.isFree(key)
	switch {
	case v.document:
		b.whole = true
		return wide
	case v.wide && isFree:
		b.vars[free] = wide
		return wide
	case v.wide:
		b.term(key)
		return wide
	case isFree:
		index, elem := b.any(v)
		b.vars[free] = index
		b.used = union(b.used, elem.tokens)
		return elem
	}
	return b.at(v, b.term(key))
}

// constant returns a key as the name of a field.
func constant(key *ast.Term) (string, bool) {
	switch k := key.Value.(type) {
	case ast.String:
		return string(k), true
	case ast.Number:
		return string(k), true
	}
	return "", false
}

// field follows a constant key.
func (b *body) field(v *value, name string) *value {
	switch f := v.fields[name]; {
	case v.wide || v.units:
		return wide
	case v.document && name == "units":
		b.units = true
		return &value{units: true}
	case v.document:
		return &value{places: []string{name}}
	case v.isUnit && name == "name":
		return &value{isName: true, of: v.of, tokens: v.tokens}
	case v.isUnit:
		return &value{tokens: v.tokens, places: []string{"units." + name}}
	case f != nil:
		return f
	case v.elem == nil && v.fields == nil && !strings.ContainsAny(name, ".*?"): // which have a meaning in places
		return &value{tokens: v.tokens, places: below(v.places, name)}
	}
	return b.flat(v)
}

func below(places []string, name string) []string {
	var list []string
	for _, p := range places {
		if !strings.HasSuffix(p, each) {
			p += "." + name
		}
		list = append(list, p)
	}
	return list
}

// each ends a place of which any part is read: a list, or a map whose keys are not known.
const each = ".*"

func (b *body) anyOf(v *value) *value {
	v = b.flat(v)
	if v.wide {
		return wide
	}
	return &value{tokens: v.tokens, places: below(v.places, each[1:])}
}

// any returns a key of a value, and what is there. What depends on the order or number of
// units is wide.
func (b *body) any(v *value) (key, elem *value) {
	switch {
	case v.units:
		t := b.fresh()
		return wide, &value{isUnit: true, of: t, tokens: []token{t}}
	case v.elem == nil:
		return b.anyOf(v), b.anyOf(v)
	}
	var t token
	if v.self != 0 {
		t = b.fresh()
	}
	elem = v.as(v.elem, t).with(v.tokens)
	switch {
	case v.key != nil:
		return v.as(v.key, t), elem
	case v.isSet:
		return elem, elem
	case t != 0:
		return wide, elem
	}
	return &value{tokens: v.tokens}, elem
}

// at returns what is at a key that has a value. Which keys there are is read.
func (b *body) at(v, key *value) *value {
	b.read(v.key)
	switch {
	case v.isSet:
		b.read(v)
		b.member(key, v)
		return key
	case v.elem != nil && v.key != nil && v.key.isName && v.key.of == v.self && key.isName:
		return v.as(v.elem, key.of)
	case v.elem != nil && !v.isOfMany():
		return v.elem.with(key.tokens)
	}
	return b.anyOf(v).with(key.tokens)
}

// member tests whether a value is in a collection. In one of names, the name of a unit can
// only be there because of that unit; otherwise it can be because of any.
func (b *body) member(x, of *value) {
	switch {
	case of.wide || of.units || of.document || x.isOfMany():
		b.wide = true
	case of.elem == nil:
		b.wide = b.wide || of.isOfMany()
	case of.key != nil:
		b.wide = b.wide || of.self != 0
	case of.self != 0 && !of.isSame(of.elem, x):
		_, elem := b.any(of)
		b.used = union(b.used, elem.tokens)
	}
}

// isSame reports whether a value that is equal to an element, or to a key, is of the same
// unit: it has the unit's name at the same place. No unit's name is host.
func (v *value) isSame(elem, x *value) bool {
	if elem.isName && elem.of == v.self {
		return x.isName || x.host
	}
	for k, f := range elem.fields {
		if g := x.fields[k]; g != nil && v.isSame(f, g) {
			return true
		}
	}
	return false
}

// distributive are builtins whose result for all units is that for each, put together.
var distributive = map[string]bool{ast.ArrayConcat.Name: true, ast.Or.Name: true}

func (b *body) call(operator *ast.Term, args []*ast.Term) {
	ref, ok := operator.Value.(ast.Ref)
	if !ok {
		b.wide, b.whole = true, true
		return
	}
	switch name := ref.String(); {
	case (name == ast.Equality.Name || name == ast.Assign.Name) && len(args) == 2:
		b.equal(args[0], args[1])
	case name == ast.Member.Name && len(args) == 2:
		b.member(b.term(args[0]), b.term(args[1]))
	case strings.HasPrefix(name, "data."):
		b.function(name, args)
	default:
		b.builtin(name, args)
	}
}

func (b *body) builtin(name string, args []*ast.Term) {
	arity := len(args)
	if known := ast.BuiltinMap[name]; known != nil {
		arity = min(arity, len(known.Decl.FuncArgs().Args))
	} else {
		b.wide = true
	}
	result, ofMany := &value{}, false
	values := []*value{}
	for _, arg := range args[:arity] {
		v := b.term(arg)
		values = append(values, v)
		result.tokens, ofMany = union(result.tokens, v.tokens), ofMany || v.isOfMany()
	}
	if ofMany {
		result = wide
		if distributive[name] && len(values) == 2 {
			result = b.join(values[0], values[1])
		}
	}
	b.wide = b.wide || result.wide
	for _, out := range args[arity:] {
		b.unify(out, result)
	}
}

// function follows a call of a function with the values of its arguments.
func (b *body) function(name string, args []*ast.Term) {
	rules := b.rules[name]
	if len(rules) == 0 {
		b.wide, b.whole = true, true
		return
	}
	arity := min(len(rules[0].Head.Args), len(args))
	values := []*value{}
	for _, arg := range args[:arity] {
		values = append(values, b.named(arg))
	}
	var result *value
	for _, rule := range rules {
		b.files[rule.Location.File] = true
		for branch := rule; branch != nil; branch = branch.Else {
			result = b.join(result, b.apply(branch, values))
		}
	}
	b.wide = b.wide || result.wide
	if len(args) == arity { // whether it is true
		b.read(result)
	}
	for _, out := range args[arity:] {
		b.unify(out, result)
	}
}

func (b *body) apply(rule *ast.Rule, values []*value) *value {
	in := b.newBody()
	for i, arg := range rule.Head.Args {
		if i < len(values) {
			in.unify(arg, values[i])
		}
	}
	in.run(rule.Body)
	v := in.named(rule.Head.Value)
	if in.wide || len(in.news()) > 0 {
		b.read(v)
		return wide
	}
	return v.with(in.olds())
}

// equal makes two terms equal.
func (b *body) equal(s, t *ast.Term) {
	if b.hasFree(s) {
		s, t = t, s
	}
	b.unify(t, b.named(s))
}

func (b *body) hasFree(t *ast.Term) bool {
	found := false
	ast.WalkVars(t, func(name ast.Var) bool {
		found = found || b.lookup(name) == nil && !ast.RootDocumentNames.Contains(ast.NewTerm(name))
		return found
	})
	switch t.Value.(type) {
	case ast.Var, *ast.Array, ast.Object:
		return found
	}
	return false
}

// unify gives the variables of a term that have no value theirs, and compares the rest.
func (b *body) unify(t *ast.Term, v *value) {
	if name, free := b.isFree(t); free {
		b.vars[name] = v
		return
	}
	if v.wide || v.document || v.units || v.self != 0 {
		b.wide = true // whether it fits depends on all
	}
	if v.fields == nil { // which other keys a fact has decides whether it fits
		b.read(v)
	}
	switch x := t.Value.(type) {
	case *ast.Array:
		for i := range x.Len() {
			b.unify(x.Elem(i), b.field(v, strconv.Itoa(i)))
		}
		return
	case ast.Object:
		x.Foreach(func(k, of *ast.Term) {
			if name, ok := constant(k); ok {
				b.unify(of, b.field(v, name))
				return
			}
			b.term(k)
			b.unify(of, b.flat(v))
		})
		return
	}
	have := b.term(t)
	b.read(v)
	if have.isName && v.isName {
		b.same(have.of, v.of)
	}
	b.wide = b.wide || have.isOfMany() || v.isOfMany()
}
