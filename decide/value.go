package decide

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// converter remembers the term of each text: six in seven texts of a document are repeated.
type converter struct {
	texts map[string]*ast.Term
	items [][2]*ast.Term // of the objects that are being made, the innermost last
	time  []byte
}

func newConverter() *converter {
	return &converter{texts: map[string]*ast.Term{}}
}

type field struct {
	index     int
	key       *ast.Term
	omitEmpty bool
}

func (c *converter) term(v reflect.Value) *ast.Term {
	switch v.Kind() {
	case reflect.Bool:
		return ast.InternedTerm(v.Bool())
	case reflect.String:
		return c.text(v.String())
	case reflect.Int, reflect.Int64, reflect.Int32:
		return ast.InternedTerm(v.Int())
	case reflect.Float64:
		return ast.FloatNumberTerm(v.Float())
	case reflect.Pointer:
		if v.IsNil() {
			return ast.InternedNullTerm
		}
		return c.term(v.Elem())
	case reflect.Interface:
		return c.local(v)
	case reflect.Slice:
		return c.list(v)
	case reflect.Map:
		return c.mapping(v)
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			c.time = t.AppendFormat(c.time[:0], time.RFC3339Nano)
			return c.text(string(c.time))
		}
		return c.object(v)
	}
	panic(fmt.Sprintf("decide: a fact of kind %s", v.Kind()))
}

// local returns a value of a local fact. JSON has no integers, and Rego writes whole numbers
// without an exponent.
func (c *converter) local(v reflect.Value) *ast.Term {
	if v.IsNil() {
		return ast.InternedNullTerm
	}
	if f, ok := v.Interface().(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return ast.InternedTerm(int64(f))
	}
	return c.term(v.Elem())
}

func (c *converter) text(s string) *ast.Term {
	term, known := c.texts[s]
	if !known {
		term = ast.StringTerm(s)
		c.texts[s] = term
	}
	return term
}

func (c *converter) list(v reflect.Value) *ast.Term {
	if v.Len() == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, v.Len())
	for i := range terms {
		terms[i] = c.term(v.Index(i))
	}
	return ast.ArrayTerm(terms...)
}

func (c *converter) mapping(v reflect.Value) *ast.Term {
	outer := len(c.items)
	for it := v.MapRange(); it.Next(); {
		c.item(c.text(it.Key().String()), it.Value())
	}
	return c.made(outer)
}

func (c *converter) object(v reflect.Value) *ast.Term {
	outer := len(c.items)
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		if !f.omitEmpty || !empty(value) {
			c.item(f.key, value)
		}
	}
	return c.made(outer)
}

// item adds to the object that is being made; the value may itself be made of items.
func (c *converter) item(key *ast.Term, v reflect.Value) {
	value := c.term(v)
	c.items = append(c.items, ast.Item(key, value))
}

// made returns the object of the items since outer.
func (c *converter) made(outer int) *ast.Term {
	object := ast.ObjectTerm(c.items[outer:]...)
	c.items = c.items[:outer]
	return object
}

// empty reports whether encoding/json would omit the value with omitempty.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// allFields has the fields of each struct type, which is one of the facts.
var allFields sync.Map

func fieldsOf(t reflect.Type) []field {
	if known, ok := allFields.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{i, ast.StringTerm(name), options == "omitempty"})
		}
	}
	allFields.Store(t, fields)
	return fields
}
