package scope

import (
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// body is the body of a rule, a comprehension, or what is negated.
type body struct {
	*analysis
	outer *body
	floor token // tokens up to it are of the outer bodies, or of a function's arguments
	vars  map[ast.Var]*value
	used  []token
	wide  bool
}

func (a *analysis) newBody() *body {
	return &body{analysis: a, floor: a.last, vars: map[ast.Var]*value{}}
}

func (b *body) inner() *body {
	in := b.newBody()
	in.outer = b
	return in
}

// tokens returns the units of which everything in the body is.
func (b *body) tokens() []token {
	var roots []token
	for _, t := range b.used {
		roots = append(roots, b.root(t))
	}
	return union(roots, nil)
}

// news returns the tokens of the body that are not of an outer one.
func (b *body) news() []token {
	return slices.DeleteFunc(b.tokens(), func(t token) bool { return t <= b.floor })
}

func (b *body) olds() []token {
	return slices.DeleteFunc(b.tokens(), func(t token) bool { return t > b.floor })
}

// isWide reports whether what the body gives is of several units at once.
func (b *body) isWide() bool { return b.wide || len(b.tokens()) > 1 }

// same says that two tokens are the same unit. Inside of a body, that two units of an outer
// one are the same says nothing about them outside.
func (b *body) same(s, t token) {
	s, t = b.root(s), b.root(t)
	if s > t {
		s, t = t, s
	}
	if s != t && t > b.floor {
		b.parent[t] = s
	}
}

// collected returns the collection of what the body gives.
func (b *body) collected(key, elem *value) *value {
	news, olds := b.news(), b.olds()
	if b.wide || len(news) > 1 || len(news) == 1 && len(olds) > 0 || elem.wide || key != nil && key.wide {
		b.read(elem, key)
		return wide
	}
	of := &value{tokens: olds}
	if len(news) == 1 {
		of.self = news[0]
	}
	of.elem = elem.with(b.tokens()).replace(b.root)
	if key != nil {
		of.key = key.with(b.tokens()).replace(b.root)
	}
	return of
}

func (b *body) lookup(name ast.Var) *value {
	for at := b; at != nil; at = at.outer {
		if v := at.vars[name]; v != nil {
			return v
		}
	}
	return nil
}

// isFree returns the variable that a term is, if it has no value yet.
func (b *body) isFree(t *ast.Term) (ast.Var, bool) {
	name, ok := t.Value.(ast.Var)
	return name, ok && b.lookup(name) == nil
}

func (b *body) run(exprs ast.Body) {
	for _, e := range exprs {
		b.expr(e)
	}
}

func (b *body) expr(e *ast.Expr) {
	if b.steps++; b.steps > maxSteps {
		b.wide = true
		return
	}
	if len(e.With) > 0 {
		b.wide, b.whole = true, true
	}
	if e.Negated {
		plainly := *e
		plainly.Negated = false
		in := b.inner()
		in.expr(&plainly)
		b.take(in)
		return
	}
	switch terms := e.Terms.(type) {
	case *ast.Term:
		b.term(terms)
	case []*ast.Term:
		b.call(terms[0], terms[1:])
	case *ast.Every:
		b.every(terms)
	case *ast.SomeDecl:
	default:
		b.wide, b.whole = true, true
	}
}

// take adds to a body what one inside of it tests: it can only be about units that the
// outer one has.
func (b *body) take(in *body) {
	b.wide = b.wide || in.wide || len(in.news()) > 0
	b.used = union(b.used, in.olds())
}

func (b *body) every(every *ast.Every) {
	domain := b.term(every.Domain) // how many there are matters too
	in := b.inner()
	for _, t := range []*ast.Term{every.Key, every.Value} {
		if t != nil {
			in.unify(t, &value{wide: domain.isOfMany(), tokens: domain.tokens})
		}
	}
	in.run(every.Body)
	b.take(in)
	b.wide = b.wide || domain.isOfMany()
}

// term returns the value of a term that is used as a whole, and counts its units as used.
func (b *body) term(t *ast.Term) *value {
	v := b.named(t)
	b.read(v)
	return v
}

// named is term for a value that is only given a name here, or put into another one.
func (b *body) named(t *ast.Term) *value {
	v := b.eval(t)
	b.wide, b.whole = b.wide || v.wide, b.whole || v.document
	b.used = union(b.used, v.tokens)
	if _, isRef := t.Value.(ast.Ref); isRef {
		b.exists(v)
	}
	return v
}

// exists notes that it matters whether a value is there: without it, what follows is not
// true. Of a list it matters how long it is.
func (b *body) exists(v *value) {
	for _, p := range v.places {
		if !strings.HasSuffix(p, each) {
			p += Exists
		}
		b.keys[p] = true
	}
}

func (b *body) eval(t *ast.Term) *value {
	switch x := t.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number:
		return plain
	case ast.String:
		return &value{host: x == "host"}
	case ast.Var:
		if v := b.lookup(x); v != nil {
			return v
		}
		return wide // there is nothing that the compiler leaves without a value
	case ast.Ref:
		return b.ref(x)
	case *ast.Array:
		return b.array(x)
	case ast.Set:
		set := b.list(x.Foreach)
		if !set.wide {
			set.isSet = true
		}
		return set
	case ast.Object:
		return b.object(x)
	case *ast.ArrayComprehension:
		return b.comprehension(x.Body, nil, x.Term, false)
	case *ast.SetComprehension:
		return b.comprehension(x.Body, nil, x.Term, true)
	case *ast.ObjectComprehension:
		return b.comprehension(x.Body, x.Key, x.Value, false)
	}
	b.whole = true
	return wide
}

func (b *body) list(foreach func(func(*ast.Term))) *value {
	all := &value{}
	isWide := false
	foreach(func(t *ast.Term) {
		v := b.named(t)
		isWide = isWide || v.isOfMany()
		all.tokens, all.elem = union(all.tokens, v.tokens), b.join(all.elem, v)
	})
	if isWide {
		b.read(all)
		return wide
	}
	return all
}

// array has its elements by their positions too.
func (b *body) array(x *ast.Array) *value {
	all := b.list(x.Foreach)
	if all.wide {
		return wide
	}
	all.fields = map[string]*value{}
	for i := range x.Len() {
		all.fields[strconv.Itoa(i)] = b.named(x.Elem(i))
	}
	return all
}

func (b *body) object(x ast.Object) *value {
	all := &value{fields: map[string]*value{}}
	isWide := false
	x.Foreach(func(k, t *ast.Term) {
		key, v := b.term(k), b.named(t)
		all.tokens = union(all.tokens, union(key.tokens, v.tokens))
		name, constant := k.Value.(ast.String)
		if constant {
			all.fields[string(name)] = v
		} else {
			b.read(v)
		}
		isWide = isWide || key.isOfMany() || v.wide || !constant && v.isOfMany()
	})
	if isWide {
		b.read(all)
		return wide
	}
	return all
}

func (b *body) comprehension(of ast.Body, key, elem *ast.Term, isSet bool) *value {
	in := b.inner()
	in.run(of)
	var k *value
	if key != nil {
		k = in.named(key)
	}
	v := in.collected(k, in.named(elem))
	if v.wide {
		return wide
	}
	v.isSet = isSet
	return v
}
