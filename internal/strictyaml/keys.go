package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/text"
)

// place is a node and the type that it is to fill.
type place struct {
	node *yaml.Node
	of   reflect.Type
}

// checker finds keys that no field has, and remembers which key each place belongs to. It
// checks each place once: aliases can repeat a node more often than there is time for.
type checker struct {
	keys     map[place]string
	problems Problems
}

func (c *checker) check(node *yaml.Node, of reflect.Type, key string) {
	if of.Kind() == reflect.Pointer {
		c.check(node, of.Elem(), key)
		return
	}
	if _, checked := c.keys[place{node, of}]; checked {
		return
	}
	c.keys[place{node, of}] = key
	switch {
	case node.Kind == yaml.DocumentNode:
		c.check(node.Content[0], of, key)
	case node.Kind == yaml.AliasNode:
		c.check(node.Alias, of, key)
	case node.Kind == yaml.SequenceNode && of.Kind() == reflect.Slice:
		for _, item := range node.Content {
			c.check(item, of.Elem(), key)
		}
	case node.Kind == yaml.MappingNode:
		c.checkMapping(node, of)
	}
}

// keyAt returns the key of the value that could not be decoded, as yaml's error describes it;
// "" if that is not known. The error has the first characters of a scalar.
func (c *checker) keyAt(line int, goType, value string) (key string) {
	value = strings.TrimSuffix(strings.Trim(value, "`"), "...")
	for p, k := range c.keys {
		if p.node.Line == line && p.of.String() == goType && strings.HasPrefix(p.node.Value, value) && k != "" {
			key = max(key, k) // of several the same one each time
		}
	}
	return key
}

func (c *checker) checkMapping(node *yaml.Node, of reflect.Type) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			c.checkMerged(value, of)
		case of.Kind() == reflect.Map:
			c.check(value, of.Elem(), key.Value)
		case of.Kind() == reflect.Struct:
			c.checkField(key, value, of)
		}
	}
}

// checkMerged checks the value of the key <<, a mapping or a list of mappings.
func (c *checker) checkMerged(value *yaml.Node, of reflect.Type) {
	if value.Kind != yaml.SequenceNode {
		c.check(value, of, "<<")
		return
	}
	for _, item := range value.Content {
		c.check(item, of, "<<")
	}
}

func (c *checker) checkField(key, value *yaml.Node, of reflect.Type) {
	var name string // as yaml reads it: the key may be an alias
	if key.Decode(&name) != nil {
		return // decoding the whole file reports it
	}
	fields := fieldsOf(of)
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == name })
	if i < 0 {
		c.problems = append(c.problems, Problem{key.Line, fmt.Sprintf("unknown key %q; %s", name, text.Known(name, names(fields)))})
		return
	}
	c.check(value, fields[i].of, name)
}

type field struct {
	key string
	of  reflect.Type
}

// fieldsOf lists the fields of a struct, or of the struct that a pointer points
// to, in order, as yaml's tags name them.
func fieldsOf(of reflect.Type) (fields []field) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	for i := range of.NumField() {
		f := of.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() && !f.Anonymous, key == "-":
		case options == "inline":
			fields = append(fields, fieldsOf(f.Type)...)
		default:
			fields = append(fields, field{key, f.Type})
		}
	}
	return fields
}

func names(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}
