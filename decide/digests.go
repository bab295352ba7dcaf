package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"stackpolicy/decide/scope"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// digests are of the parts of a document that rules can read apart.
type digests struct {
	units []string
	texts []json.RawMessage // of the units
	index map[string]int    // of the units, by name
	all   string            // of all units
	named string            // of the names that findings may be about
	head  *tree
	known map[string]string // by places
}

// newDigests returns an error if the units have no names of their own.
func newDigests(doc *facts.Document) (*digests, error) {
	d := &digests{
		units: make([]string, len(doc.Units)), texts: make([]json.RawMessage, len(doc.Units)),
		index: map[string]int{finding.Host: -1}, known: map[string]string{},
	}
	for i := range doc.Units {
		if _, taken := d.index[doc.Units[i].Name]; taken {
			return nil, fmt.Errorf("there are two units named %q", doc.Units[i].Name)
		}
		d.index[doc.Units[i].Name] = i
	}
	delete(d.index, finding.Host)
	head := *doc
	head.Units = nil
	text, err := json.Marshal(head)
	d.head = &tree{text: text}
	failed := make([]error, len(doc.Units))
	inParallel(len(doc.Units), func(i int) {
		d.texts[i], failed[i] = json.Marshal(&doc.Units[i])
		d.units[i] = keyOf(string(d.texts[i]))
	})
	d.all = keyOf(d.units...)
	d.named = keyOf(slices.Sorted(slices.Values(doc.Subjects()))...)
	return d, errors.Join(append(failed, err)...)
}

// of returns a digest of what is at places of the document besides units. The time is not
// part of it.
func (d *digests) of(places []string) string {
	name := strings.Join(places, "\x00")
	if known, has := d.known[name]; has {
		return known
	}
	d.known[name] = d.head.digest(places)
	return d.known[name]
}

// ofUnits returns a digest of what is at places of each unit, and of their names. seen has
// the digest of a unit's places by that of the unit.
func (d *digests) ofUnits(places []string, seen *placeDigests) string {
	places = append([]string{"name"}, places...)
	name := strings.Join(places, "\x00")
	parts := make([]string, len(d.units))
	inParallel(len(d.units), func(i int) {
		key := keyOf(d.units[i], name)
		known, has := seen.get(key)
		if !has {
			known = (&tree{text: d.texts[i]}).digest(places)
			seen.put(key, known)
		}
		parts[i] = known
	})
	return keyOf(parts...)
}

// placeDigests has digests of places of units that were seen before. It forgets all when it
// is full.
type placeDigests struct {
	mu sync.Mutex
	of map[string]string
}

// maxPlaceDigests is how many there are at most, of less than 100 bytes each.
const maxPlaceDigests = 100_000

func (p *placeDigests) get(key string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	digest, has := p.of[key]
	return digest, has
}

func (p *placeDigests) put(key, digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.of) >= maxPlaceDigests || p.of == nil {
		p.of = map[string]string{}
	}
	p.of[key] = digest
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

// at returns what is at the end of a path, or as far as there are objects on it, and how
// many of its keys it has followed.
func (t *tree) at(keys []string) (depth int, text json.RawMessage) {
	for i, key := range keys {
		if key == "*" {
			return i, t.text
		}
		if !t.isDecoded {
			t.decode()
		}
		next, has := t.fields[key]
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
