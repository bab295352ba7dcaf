package decide

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/facts"
)

// toValue is the document as Rego sees it: what its JSON would parse to,
// without the detour through text, which costs more than most rules do. One
// difference: an absent list or map is empty, never null, as the schema says.
func toValue(doc *facts.Document) ast.Value {
	c := converter{fields: map[reflect.Type][]field{}}
	return c.value(reflect.ValueOf(*doc))
}

// converter remembers each struct's fields, and each key's term.
type converter struct {
	fields map[reflect.Type][]field
}

type field struct {
	index     int
	key       *ast.Term
	omitEmpty bool
}

func (c *converter) value(v reflect.Value) ast.Value {
	switch v.Kind() {
	case reflect.Bool:
		return ast.Boolean(v.Bool())
	case reflect.String:
		return ast.String(v.String())
	case reflect.Int, reflect.Int64, reflect.Int32:
		return ast.InternedTerm(int(v.Int())).Value
	case reflect.Float64:
		return ast.FloatNumberTerm(v.Float()).Value
	case reflect.Pointer:
		if v.IsNil() {
			return ast.NullValue
		}
		return c.value(v.Elem())
	case reflect.Slice:
		return c.list(v)
	case reflect.Map:
		return c.mapping(v)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return ast.String(t.Format(time.RFC3339Nano))
		}
		return c.object(v)
	}
	panic(fmt.Sprintf("decide: a fact of kind %s", v.Kind()))
}

func (c *converter) list(v reflect.Value) ast.Value {
	terms := make([]*ast.Term, v.Len())
	for i := range terms {
		terms[i] = ast.NewTerm(c.value(v.Index(i)))
	}
	return ast.NewArray(terms...)
}

func (c *converter) mapping(v reflect.Value) ast.Value {
	object := ast.NewObjectWithCapacity(v.Len())
	for it := v.MapRange(); it.Next(); {
		object.Insert(ast.StringTerm(it.Key().String()), ast.NewTerm(c.value(it.Value())))
	}
	return object
}

func (c *converter) object(v reflect.Value) ast.Value {
	fields := c.fieldsOf(v.Type())
	object := ast.NewObjectWithCapacity(len(fields))
	for _, f := range fields {
		value := v.Field(f.index)
		if f.omitEmpty && empty(value) {
			continue
		}
		object.Insert(f.key, ast.NewTerm(c.value(value)))
	}
	return object
}

// empty is what encoding/json means by omitempty.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (c *converter) fieldsOf(t reflect.Type) []field {
	if known, ok := c.fields[t]; ok {
		return known
	}
	var fields []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{i, ast.StringTerm(name), options == "omitempty"})
		}
	}
	c.fields[t] = fields
	return fields
}
