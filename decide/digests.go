package decide

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stackpolicy/decide/scope"
	"stackpolicy/finding"
)

// digests are of the parts of a document that rules can read apart.
type digests struct {
	units []*part
	index map[string]int // of the units, by name
	all   string         // of all units
	named string         // of the names that findings may be about
	head  *part
}

// newDigests returns an error if the units have no names of their own.
func newDigests(doc *Prepared) (*digests, error) {
	d := &digests{units: doc.units, index: map[string]int{finding.Host: -1}}
	for i := range doc.Units {
		if _, taken := d.index[doc.Units[i].Name]; taken {
			return nil, fmt.Errorf("there are two units named %q", doc.Units[i].Name)
		}
		d.index[doc.Units[i].Name] = i
	}
	delete(d.index, finding.Host)
	if err := doc.encode(); err != nil {
		return nil, err
	}
	d.head = doc.head
	all := make([]string, len(d.units))
	for i, u := range d.units {
		all[i] = u.digest
	}
	d.all = keyOf(all...)
	d.named = keyOf(slices.Sorted(slices.Values(doc.Subjects()))...)
	return d, nil
}

// of returns a digest of what is at places of the document besides units. The time is not
// part of it.
func (d *digests) of(places []string) string {
	name := strings.Join(places, "\x00")
	return d.head.at(name, places)
}

// ofUnits returns a digest of what is at places of each unit, and of their names.
func (d *digests) ofUnits(places []string) string {
	places = append([]string{"name"}, places...)
	name := strings.Join(places, "\x00")
	parts := make([]string, len(d.units))
	inParallel(len(d.units), func(i int) { parts[i] = d.units[i].at(name, places) })
	return keyOf(parts...)
}

// tree is JSON of which only the objects are decoded that are asked for.
type tree struct {
	text      json.RawMessage
	fields    map[string]*tree // nil if it is no object
	isDecoded bool
}

// digest is of what is at places, as package scope names them.
func (t *tree) digest(places []string) string {
	var found []string
	for _, place := range places {
		path, isExists := strings.CutSuffix(place, scope.Exists)
		if path == timeKey {
			continue
		}
		keys := strings.Split(path, ".")
		depth, text := t.at(keys)
		if isExists && depth == len(keys) {
			text = nil
		}
		found = append(found, place, strconv.Itoa(depth), string(text))
	}
	return keyOf(found...)[:tagSize]
}

// at returns what is at the end of a path, or what is in its way and no object, and how many of
// its keys it has followed. Of an object without the next key nothing matters.
func (t *tree) at(keys []string) (depth int, text json.RawMessage) {
	for i, key := range keys {
		if key == "*" {
			return i, t.text
		}
		if !t.isDecoded {
			t.decode()
		}
		next, has := t.fields[key]
		if !has && t.fields != nil {
			return i, nil
		}
		if !has {
			return i, t.text
		}
		t = next
	}
	return len(keys), t.text
}

func (t *tree) decode() {
	var fields map[string]json.RawMessage
	t.isDecoded = true
	if json.Unmarshal(t.text, &fields) != nil {
		return
	}
	t.fields = map[string]*tree{}
	for k, v := range fields {
		t.fields[k] = &tree{text: v}
	}
}
