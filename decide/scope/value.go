package scope

import (
	"maps"
	"slices"
)

// token stands for one unit over which a body iterates, or for any of which an element of a
// collection is. 0 means none.
type token int

// value is what is known of the value of a term. Do not change one that is shared.
type value struct {
	wide   bool    // it can depend on any number of units
	tokens []token // the units on which it, or anything in it, depends; sorted

	document bool // it is the document
	units    bool // it is the list of all units
	// places are where the document has what it is made of, such as manager.version or
	// units.loaded. They are not read yet: it may only have got a name.
	places []string
	isUnit bool // it is the unit of the token of
	isName bool // it is the name of that unit, or host where it is of no unit
	host   bool // it is the text host, and depends on no unit
	of     token

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
	more.fields = mapped(v.fields, func(f *value) *value { return f.with(tokens) })
	return &more
}

func union(a, b []token) []token {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func mapped(fields map[string]*value, to func(*value) *value) map[string]*value {
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
	if v.wide || v.document || v.units || v.self != 0 || v.elem.isOfMany() || v.key.isOfMany() {
		return true
	}
	for _, f := range v.fields {
		if f.isOfMany() {
			return true
		}
	}
	return false
}

// unread returns the places of the value and of what is in it.
func (v *value) unread() []string {
	if v == nil {
		return nil
	}
	places := slices.Concat(v.places, v.elem.unread(), v.key.unread())
	if v.isUnit || v.units {
		places = append(places, "units")
	}
	for _, f := range v.fields {
		places = append(places, f.unread()...)
	}
	slices.Sort(places)
	return slices.Compact(places)
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
	r.fields = mapped(v.fields, func(f *value) *value { return f.replace(to) })
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
