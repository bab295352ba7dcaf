package scope

// flat returns a value when nothing is known of what is in it.
func (a *analysis) flat(v *value) *value {
	if v.isOfMany() {
		a.read(v)
		return wide
	}
	return &value{tokens: v.tokens, places: v.unread()}
}

// read notes that a value is used as a whole.
func (a *analysis) read(values ...*value) {
	for _, v := range values {
		for _, place := range v.unread() {
			a.keys[place] = true
		}
		a.whole = a.whole || v != nil && v.document
	}
}

// join returns what is known of a value that is one or the other; nil means none. What is not
// known of the result any more counts as read.
func (a *analysis) join(v, w *value) *value {
	switch {
	case v == nil:
		return w
	case w == nil:
		return v
	case v.wide || w.wide || v.document || w.document || v.units || w.units:
		a.read(v, w)
		return wide
	}
	j := &value{tokens: union(v.tokens, w.tokens), places: append(append([]string{}, v.places...), w.places...)}
	switch {
	case v.isUnit && w.isUnit && v.of == w.of:
		j.isUnit, j.of = true, v.of
	case v.isName && (w.isName && v.of == w.of || w.host):
		j.isName, j.of = true, v.of
	case w.isName && v.host:
		j.isName, j.of = true, w.of
	case v.host && w.host:
		j.host = true
	}
	if (v.isUnit || w.isUnit) && !j.isUnit {
		j.places = append(j.places, "units")
	}
	if !a.joinFields(j, v, w) || !a.joinElements(j, v, w) {
		a.read(v, w)
		return wide
	}
	return j
}

// joinFields reports whether the result has everything that is made of several units.
func (a *analysis) joinFields(j, v, w *value) bool {
	for _, from := range []struct{ one, other *value }{{v, w}, {w, v}} {
		for k, f := range from.one.fields {
			switch g := from.other.fields[k]; {
			case g == nil && f.isOfMany():
				return false
			case g == nil:
				j.places = append(j.places, f.unread()...)
			case from.one == v:
				if j.fields == nil {
					j.fields = map[string]*value{}
				}
				j.fields[k] = a.join(f, g)
			}
		}
	}
	return true
}

// joinElements is joinFields for elements.
func (a *analysis) joinElements(j, v, w *value) bool {
	if v.elem == nil && w.elem == nil {
		return true
	}
	if (v.key == nil) != (w.key == nil) || v.isSet != w.isSet {
		j.places = append(append(j.places, v.elem.unread()...), w.elem.unread()...)
		j.places = append(append(j.places, v.key.unread()...), w.key.unread()...)
		return !v.isOfMany() && !w.isOfMany()
	}
	element := func(of *value) *value { // of a list in the facts
		if of.elem == nil {
			return &value{tokens: of.tokens, places: of.places}
		}
		return of.elem
	}
	j.self, j.isSet = max(v.self, w.self), v.isSet
	j.elem = a.join(v.as(element(v), j.self), w.as(element(w), j.self))
	if v.key != nil {
		j.key = a.join(v.as(v.key, j.self), w.as(w.key, j.self))
	}
	return true
}
