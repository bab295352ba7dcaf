package lint

import "github.com/open-policy-agent/opa/v1/ast"

// frame follows one rule with its else branches.
type frame struct {
	*flow
	rule  *ast.Rule
	doc   *doc
	exprs []*ast.Expr
	every []*ast.Every
	here  *ast.Location // of the present expression, for terms without a place
}

// newFrame collects a rule's expressions, nested ones included. Their order does
// not matter.
func newFrame(f *flow, rule *ast.Rule, doc *doc) *frame {
	frame := &frame{flow: f, rule: rule, doc: doc}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			frame.exprs = append(frame.exprs, x)
		case *ast.Every:
			frame.every = append(frame.every, x)
		}
		return false
	}).Walk(rule)
	return frame
}

func (f *frame) run() {
	f.here = nil
	for branch := f.rule; branch != nil; branch = branch.Else {
		f.head(branch.Head)
	}
	for _, e := range f.exprs {
		f.here = e.Location
		switch terms := e.Terms.(type) {
		case *ast.Term:
			f.term(terms)
		case []*ast.Term:
			f.call(terms[0], terms[1:], e.Location)
		}
	}
	for _, every := range f.every {
		f.assign(every.Value, f.each(f.term(every.Domain), every.Location))
	}
}

// head adds the values of a rule's head to those of its path. Each key of the
// head that is not constant is one more level of a collection.
func (f *frame) head(head *ast.Head) {
	value := &f.doc.value
	ref := f.rule.Ref()
	for _, key := range ref[len(ref.GroundPrefix()):] {
		f.term(key)
		value = f.level(value, key)
	}
	if head.Key != nil && head.Value == nil {
		f.grow(f.level(value, head.Key), f.term(head.Key))
	}
	if head.Value != nil {
		f.grow(value, f.term(head.Value))
	}
}

func (f *frame) level(value *nodes, key *ast.Term) *nodes {
	collection := built(f.collections, key)
	f.grow(value, nodes{collection})
	return &collection.elems
}

// term returns the values that a term can have. Do not change the result.
func (f *frame) term(t *ast.Term) nodes {
	switch v := t.Value.(type) {
	case ast.Var:
		return *f.variable(v)
	case ast.Ref:
		return f.ref(t, v)
	case *ast.Array:
		site := built(f.sites, t)
		v.Foreach(func(e *ast.Term) { f.grow(&site.elems, f.term(e)) })
		return nodes{site}
	case ast.Set:
		site := built(f.sites, t)
		v.Foreach(func(e *ast.Term) { f.grow(&site.elems, f.term(e)) })
		return nodes{site}
	case ast.Object:
		return f.object(t, v)
	case *ast.ArrayComprehension:
		return f.comprehension(t, v.Term)
	case *ast.SetComprehension:
		return f.comprehension(t, v.Term)
	case *ast.ObjectComprehension:
		f.term(v.Key)
		return f.comprehension(t, v.Value)
	case ast.Call:
		return f.call(v[0], v[1:], t.Location)
	}
	return nil
}

func (f *frame) comprehension(t, element *ast.Term) nodes {
	site := built(f.sites, t)
	f.grow(&site.elems, f.term(element))
	return nodes{site}
}

func (f *frame) object(t *ast.Term, object ast.Object) nodes {
	site := built(f.sites, t)
	object.Foreach(func(k, v *ast.Term) {
		f.term(k)
		key, ok := constant(k)
		if !ok {
			f.grow(&site.elems, f.term(v))
			return
		}
		if site.fields[key] == nil {
			site.fields[key] = &nodes{}
		}
		f.grow(site.fields[key], f.term(v))
	})
	return nodes{site}
}

func (f *frame) variable(name ast.Var) *nodes {
	key := variable{f.rule, name}
	if f.vars[key] == nil {
		f.vars[key] = &nodes{}
	}
	return f.vars[key]
}

// assign adds values to a variable, or to the variables in a pattern.
func (f *frame) assign(t *ast.Term, more nodes) {
	if len(more) == 0 || t == nil {
		return
	}
	switch v := t.Value.(type) {
	case ast.Var:
		f.grow(f.variable(v), more)
	case *ast.Array:
		v.Foreach(func(e *ast.Term) { f.assign(e, f.each(more, t.Location)) })
	case ast.Object:
		v.Foreach(func(k, e *ast.Term) { f.assign(e, f.step(more, k, t.Location)) })
	}
}

// ref follows a reference from its head, key by key.
func (f *frame) ref(t *ast.Term, ref ast.Ref) nodes {
	var here nodes
	rest := ref[1:]
	switch {
	case ref[0].Equal(ast.InputRootDocument):
		here = nodes{f.input}
	case ref[0].Equal(ast.DefaultRootDocument):
		start := f.start(t, ref)
		here, rest = start.doc.value, start.rest
	default:
		here = f.term(ref[0])
	}
	for _, key := range rest {
		next := f.step(here, key, t.Location)
		if _, ok := key.Value.(ast.String); !ok {
			// A set is indexed by its elements.
			f.term(key)
			f.assign(key, builtElements(here))
		}
		here = next
	}
	return here
}

func builtElements(s nodes) nodes {
	var found nodes
	for _, n := range s {
		if n.built {
			found.add(n.elems)
		}
	}
	return found
}

// step follows one key, and records the sections that it reads.
func (f *frame) step(from nodes, key *ast.Term, at *ast.Location) nodes {
	name, ok := constant(key)
	if !ok {
		return f.each(from, at)
	}
	var to nodes
	possible := len(from) == 0
	for _, n := range from {
		possible = n.at(name, &to) || possible
	}
	if !possible && f.misspelt != nil {
		f.misspelt(f.place(at), name, from)
	}
	f.enter(to, at)
	return to
}

// place returns the best known place of a term: the compiler makes many terms.
func (f *frame) place(at *ast.Location) *ast.Location {
	if at == nil || at.File == "" {
		at = f.here
	}
	return locate(at, f.rule)
}

// each follows any key.
func (f *frame) each(from nodes, at *ast.Location) nodes {
	var to nodes
	for _, n := range from {
		n.each(&to)
	}
	f.enter(to, at)
	return to
}

func (f *frame) enter(to nodes, at *ast.Location) {
	for _, n := range to {
		if n.section != "" {
			f.read(f.rule, n.section, f.place(at))
		}
	}
}

// whole records every section below a value that a builtin or a finding uses.
func (f *frame) whole(s nodes, at *ast.Location) {
	seen := map[*node]bool{}
	var visit func(nodes)
	visit = func(s nodes) {
		for _, n := range s {
			if !seen[n] {
				seen[n] = true
				visit(f.each(nodes{n}, at))
			}
		}
	}
	visit(s)
}
