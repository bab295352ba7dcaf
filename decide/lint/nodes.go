package lint

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/facts"
)

// node is one value that a term of a rule can have: a place in the facts, or a
// value that a rule builds. A fact has the keys of the schema; a built value can
// have any key.
type node struct {
	path    string           // of a fact, e.g. input.units[].loaded
	section string           // the section that reading this fact reads
	props   map[string]*node // of a fact that is an object
	items   *node            // of a fact that is a list or a map
	list    bool

	built  bool
	fields map[string]*nodes // of a built object, by constant key
	elems  nodes             // of a built collection, or under other keys
}

// nodes is a set without an order. Most have one element; scalars have none.
type nodes []*node

// add puts more nodes in, and reports whether any was new.
func (s *nodes) add(more nodes) bool {
	before := len(*s)
	for _, n := range more {
		if !slices.Contains(*s, n) {
			*s = append(*s, n)
		}
	}
	return len(*s) > before
}

func newBuilt() *node {
	return &node{built: true, fields: map[string]*nodes{}}
}

// schemaNode is the part of JSON Schema that the facts' schema uses.
type schemaNode struct {
	Type                 json.RawMessage        `json:"type"`
	Properties           map[string]*schemaNode `json:"properties"`
	Items                *schemaNode            `json:"items"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties"`
}

// factNodes reads a schema as nodes below path.
func factNodes(fsys fs.FS, schema, path string) (*node, error) {
	var root schemaNode
	if err := readSchema(fsys, schema, &root); err != nil {
		return nil, err
	}
	return root.node(path)
}

// isFree reports whether the schema accepts any value, as for the content of local facts.
func (s *schemaNode) isFree() bool {
	return len(s.Type) == 0 && s.Properties == nil && s.Items == nil && len(s.AdditionalProperties) == 0
}

func (s *schemaNode) node(path string) (*node, error) {
	if s.isFree() {
		free := newBuilt()
		free.path, free.section = path, sectionAt(path)
		return free, nil
	}
	n := &node{path: path, section: sectionAt(path), props: map[string]*node{}}
	for key, child := range s.Properties {
		prop, err := child.node(path + "." + key)
		if err != nil {
			return nil, err
		}
		n.props[key] = prop
	}
	items := s.Items
	n.list = items != nil
	if extra := s.AdditionalProperties; len(extra) > 0 && extra[0] == '{' {
		items = new(schemaNode)
		if err := json.Unmarshal(extra, items); err != nil {
			return nil, err
		}
	}
	if items == nil {
		return n, nil
	}
	var err error
	n.items, err = items.node(path + "[]")
	return n, err
}

// sectionAt returns the section at a path of the facts, or "".
func sectionAt(path string) string {
	for _, name := range facts.SectionNames() {
		if at, unit := cutUnit(name); (unit && path == "input.units[]."+at) || (!unit && path == "input."+at) {
			return name
		}
	}
	return ""
}

func cutUnit(name string) (string, bool) {
	const prefix = "units."
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return name[len(prefix):], true
	}
	return name, false
}

// at adds what is under a constant key to found, and reports whether the key is
// possible.
func (n *node) at(key string, found *nodes) bool {
	if n.built {
		found.add(n.elems)
		if field := n.fields[key]; field != nil {
			found.add(*field)
		}
		return true
	}
	if prop, ok := n.props[key]; ok {
		found.add(nodes{prop})
		return true
	}
	if n.items != nil && !n.list {
		found.add(nodes{n.items})
		return true
	}
	return false
}

// each adds what is under any key to found.
func (n *node) each(found *nodes) {
	found.add(n.elems)
	for _, field := range n.fields {
		found.add(*field)
	}
	for _, prop := range n.props {
		found.add(nodes{prop})
	}
	if n.items != nil {
		found.add(nodes{n.items})
	}
}

// knownKeys lists the keys of the facts among nodes.
func (s nodes) knownKeys() []string {
	known := map[string]bool{}
	for _, n := range s {
		for key := range n.props {
			known[key] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// constant returns a term's string, if the term is a string.
func constant(t *ast.Term) (string, bool) {
	s, ok := t.Value.(ast.String)
	return string(s), ok
}

// locate returns the place, or the rule's where the compiler made the term.
func locate(at *ast.Location, rule *ast.Rule) *ast.Location {
	if at == nil || at.File == "" {
		return rule.Location
	}
	return at
}
