package scope

import (
	"maps"
	"slices"
)

// token stands for one unit over which a body iterates, or for any of which an element of a
// collection is. 0 is none.
type token int

// value is what is known of the value of a term. Do not change one that is shared.
type value struct {
	wide   bool    // it can depend on any number of units
	tokens []token // the units on which it, or anything in it, depends; sorted

	document bool   // it is the document
	place    string // it is what the document has there, such as manager.version
	units    bool   // it is the list of all units
	isUnit   bool   // it is the unit of the token of
	isName   bool   // it is the name of that unit, or host where it is of no unit
	host     bool   // it is the text host, and depends on no unit
	of       token

	fields map[string]*value // of an object that a rule builds
	elem   *value            // an element of a collection
	key    *value            // its key, where the collection has keys
	self   token             // the unit of which the element and its key are; 0 if of none
	isSet  bool
}

var (
	wide  = &value{wide: true}
	plain = &value{}
)

// with returns the value when it is there because of units.
func (v *value) with(tokens []token) *value {
	if v.wide || len(tokens) == 0 {
		return v
	}
	more := *v
	more.tokens, more.host = union(v.tokens, tokens), false
	more.fields = each(v.fields, func(f *value) *value { return f.with(tokens) })
	return &more
}

func union(a, b []token) []token {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func each(fields map[string]*value, to func(*value) *value) map[string]*value {
	if fields == nil {
		return nil
	}
	changed := maps.Clone(fields)
	for k, f := range changed {
		changed[k] = to(f)
	}
	return changed
}

// isOfMany reports whether the value, or anything in it, is made of several units, so that
// whoever gets it as a whole sees them all.
func (v *value) isOfMany() bool {
	if v == nil {
		return false
	}
	if v.wide || v.document || v.units || v.self != 0 || v.elem.isOfMany() {
		return true
	}
	for _, f := range v.fields {
		if f.isOfMany() {
			return true
		}
	}
	return false
}

// flat returns the value when nothing is known of what is in it.
func (v *value) flat() *value {
	if v.isOfMany() {
		return wide
	}
	return &value{tokens: v.tokens}
}

// replace returns the value with other tokens, but for those of elements.
func (v *value) replace(to func(token) token) *value {
	if v == nil || v.wide {
		return v
	}
	r := *v
	r.tokens = nil
	for _, t := range v.tokens {
		r.tokens = append(r.tokens, to(t))
	}
	r.tokens = union(r.tokens, nil)
	if v.isUnit || v.isName {
		r.of = to(v.of)
	}
	r.fields = each(v.fields, func(f *value) *value { return f.replace(to) })
	inner := func(t token) token {
		if t == v.self {
			return t
		}
		return to(t)
	}
	r.elem, r.key = v.elem.replace(inner), v.key.replace(inner)
	return &r
}

// of returns the element of a collection, or its key, as the one of the unit t.
func (v *value) as(elem *value, t token) *value {
	return elem.replace(func(old token) token {
		if old == v.self {
			return t
		}
		return old
	})
}

// join returns what is known of a value that is one or the other; nil is none.
func join(a, b *value) *value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.wide || b.wide || a.document || b.document || a.units || b.units:
		return wide
	}
	j := &value{tokens: union(a.tokens, b.tokens)} // a section was read as a whole before
	switch {
	case a.isUnit && b.isUnit && a.of == b.of:
		j.isUnit, j.of = true, a.of
	case a.isName && (b.isName && a.of == b.of || b.host):
		j.isName, j.of = true, a.of
	case b.isName && a.host:
		j.isName, j.of = true, b.of
	case a.host && b.host:
		j.host = true
	}
	for k, f := range a.fields {
		if g := b.fields[k]; g != nil {
			if j.fields == nil {
				j.fields = map[string]*value{}
			}
			j.fields[k] = join(f, g)
		} else if f.isOfMany() {
			return wide
		}
	}
	for k, g := range b.fields {
		if a.fields[k] == nil && g.isOfMany() {
			return wide
		}
	}
	return j.joinElements(a, b)
}

func (v *value) joinElements(a, b *value) *value {
	if a.elem == nil && b.elem == nil {
		return v
	}
	if (a.key == nil) != (b.key == nil) || a.isSet != b.isSet {
		if a.isOfMany() || b.isOfMany() {
			return wide
		}
		return v
	}
	element := func(of *value) *value { // of a list in the facts
		if of.elem == nil {
			return &value{tokens: of.tokens}
		}
		return of.elem
	}
	v.self, v.isSet = max(a.self, b.self), a.isSet
	v.elem = join(a.as(element(a), v.self), b.as(element(b), v.self))
	if a.key != nil {
		v.key = join(a.as(a.key, v.self), b.as(b.key, v.self))
	}
	return v
}
