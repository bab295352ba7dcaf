package decide

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/facts"
)

// Prepared is a document in parts, with what deciding it needs of each: its text and its
// value, made when they are first needed. Several policies may decide it, also at once.
type Prepared struct {
	*facts.Document
	head   *part
	units  []*part
	making *sync.Mutex // of what parts have
}

// part is a unit, or everything else of a document but its time.
type part struct {
	unit   *facts.Unit // nil: everything else
	head   facts.Document
	text   json.RawMessage
	digest string
	err    error
	term   *ast.Term

	decoding sync.Mutex
	tree     *tree             // of the text
	places   map[string]string // digests of places that were asked for, by their names
	last     row               // what was remembered of it last
	sealed   []byte            // the text of last
}

// row returns what is remembered of the part. It reads the same text once.
func (x *part) row(key string, sealed []byte) row {
	x.decoding.Lock()
	defer x.decoding.Unlock()
	if x.last.key != key || !bytes.Equal(x.sealed, sealed) {
		x.last, x.sealed = row{key: key}, sealed
		x.last.read(sealed)
	}
	return x.last
}

// at returns a digest of what is at places of the part. name is that of the places.
func (x *part) at(name string, places []string) string {
	x.decoding.Lock()
	defer x.decoding.Unlock()
	if known, has := x.places[name]; has {
		return known
	}
	if x.tree == nil {
		x.tree, x.places = &tree{text: x.text}, map[string]string{}
	}
	x.places[name] = x.tree.digest(places)
	return x.places[name]
}

// Series prepares one document after the other, and makes nothing again for a part that is
// the same in the last. The zero value is ready. Use it from one goroutine.
type Series struct {
	making sync.Mutex
	head   *part
	units  map[string]*part
}

// Prepare prepares a document. Do not change it afterwards.
func (s *Series) Prepare(doc *facts.Document) *Prepared {
	p := &Prepared{Document: doc, units: make([]*part, len(doc.Units)), making: &s.making}
	head := *doc
	head.Units, head.CollectedAt = nil, time.Time{}
	if s.head == nil || !reflect.DeepEqual(s.head.head, head) {
		s.head = &part{head: head}
	}
	p.head = s.head
	last := s.units
	s.units = make(map[string]*part, len(doc.Units))
	for i := range doc.Units {
		unit := &doc.Units[i]
		same := last[unit.Name]
		if same == nil || !reflect.DeepEqual(same.unit, unit) {
			same = &part{unit: unit}
		}
		p.units[i], s.units[unit.Name] = same, same
	}
	return p
}

// Prepare prepares one document. Do not change it afterwards.
func Prepare(doc *facts.Document) *Prepared { return new(Series).Prepare(doc) }

// only returns the document with only the units at the given places.
func (p *Prepared) only(units []int) *Prepared {
	doc, some := *p.Document, *p
	doc.Units, some.units, some.Document = make([]facts.Unit, len(units)), make([]*part, len(units)), &doc
	for k, u := range units {
		doc.Units[k], some.units[k] = p.Document.Units[u], p.units[u]
	}
	return &some
}

// encode makes the texts and digests of all parts.
func (p *Prepared) encode() error {
	p.making.Lock()
	defer p.making.Unlock()
	missing := slices.DeleteFunc(append([]*part{p.head}, p.units...), func(x *part) bool { return x.digest != "" })
	inParallel(len(missing), func(i int) { missing[i].encode() })
	for _, x := range missing {
		if x.err != nil {
			return x.err
		}
	}
	return nil
}

func (x *part) encode() {
	if x.unit != nil {
		x.text, x.err = json.Marshal(x.unit)
	} else {
		x.text, x.err = json.Marshal(x.head)
	}
	if x.err == nil {
		x.digest = keyOf(string(x.text))
	}
}

// longList is the number of parts for which another converter is worth it.
const longList = 200

var unitsKey, collectedAtKey = ast.StringTerm("units"), ast.StringTerm(timeKey)

// value returns the document as Rego sees it: the same as its parsed JSON, but without the way
// through text, which takes longer than most rules. One difference: an absent list or map is
// empty, not null, as the schema says.
func (p *Prepared) value() ast.Value {
	p.making.Lock()
	defer p.making.Unlock()
	missing := slices.DeleteFunc(append([]*part{p.head}, p.units...), func(x *part) bool { return x.term != nil })
	some := slices.Collect(slices.Chunk(missing, longList))
	inParallel(len(some), func(i int) {
		c := newConverter()
		for _, x := range some[i] {
			x.convert(c)
		}
	})
	units := make([]*ast.Term, len(p.units))
	for i, x := range p.units {
		units[i] = x.term
	}
	head := p.head.term.Value.(ast.Object)
	items := make([][2]*ast.Term, 0, head.Len())
	head.Foreach(func(key, value *ast.Term) {
		switch {
		case key.Equal(unitsKey):
			value = ast.ArrayTerm(units...)
		case key.Equal(collectedAtKey):
			value = ast.StringTerm(p.CollectedAt.Format(time.RFC3339Nano))
		}
		items = append(items, ast.Item(key, value))
	})
	return ast.NewObject(items...)
}

func (x *part) convert(c *converter) {
	if x.unit != nil {
		x.term = c.term(reflect.ValueOf(x.unit))
	} else {
		x.term = c.term(reflect.ValueOf(x.head))
	}
}
