package decide

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"

	"stackpolicy/finding"
)

// row is what is remembered of a unit.
type row struct {
	key     string
	tags    []byte                  // of the invariants that were decided, one after the other
	found   map[string][]remembered // what they found, by the tag in hex; rows share it
	changed bool
	next    int // the tag that is asked for next, most times
}

const tagSize = 16

// has looks from the tag that follows the last on: they are asked for in the order in which they
// were added.
func (r *row) has(tag string) bool {
	n := len(r.tags) / tagSize
	for k := range n {
		i := (r.next + k) % n
		if string(r.tags[i*tagSize:(i+1)*tagSize]) == tag {
			r.next = i + 1
			return true
		}
	}
	return false
}

func (r *row) add(tag string, found []remembered) {
	r.tags, r.changed = append(r.tags, tag...), true
	if len(found) > 0 {
		if r.found = maps.Clone(r.found); r.found == nil {
			r.found = map[string][]remembered{}
		}
		r.found[hex.EncodeToString([]byte(tag))] = found
	}
}

// only leaves out what the present invariants and head do not ask for, once there is more of
// that than they need.
func (r *row) only(tags []string) {
	if len(r.tags) <= 4*tagSize*len(tags) {
		return
	}
	old := *r
	r.tags, r.found = nil, nil
	for _, tag := range tags {
		if old.has(tag) {
			r.add(tag, old.found[hex.EncodeToString([]byte(tag))])
		}
	}
}

// remembered is a finding with what its JSON leaves out.
type remembered struct {
	finding.Finding
	Action finding.Action
}

// read reads a row that was written: the length of its tags, the tags, and what was found.
func (r *row) read(sealed []byte) {
	data, ok := unseal(r.key, sealed)
	if !ok || len(data) < 4 {
		return
	}
	size := binary.BigEndian.Uint32(data)
	if uint64(size) > uint64(len(data)-4) {
		return
	}
	end := 4 + int(size)
	found := map[string][]remembered{}
	if end == len(data) || decode(data[end:], &found) {
		r.tags, r.found = data[4:end:end], found
	}
}

func (r *row) write() []byte {
	data := binary.BigEndian.AppendUint32(nil, uint32(len(r.tags)))
	data = append(data, r.tags...)
	if len(r.found) > 0 {
		data = append(data, asText(r.found)...)
	}
	return seal(r.key, data)
}

// seal puts a checksum before what is kept: damage must not look like no findings.
func seal(key string, data []byte) []byte {
	sum := checksum(key, data)
	return append(sum[:], data...)
}

func unseal(key string, sealed []byte) ([]byte, bool) {
	if len(sealed) < 8 {
		return nil, false
	}
	data := sealed[8:]
	sum := checksum(key, data)
	return data, string(sum[:]) == string(sealed[:8])
}

func checksum(key string, data []byte) [8]byte {
	var short [maxShort]byte
	sum := sha256.Sum256(withSize(withSize(short[:0], key), data))
	return [8]byte(sum[:8])
}

// keyOf is a digest of texts.
func keyOf(parts ...string) string {
	var short [maxShort]byte
	text := short[:0]
	for _, p := range parts {
		text = withSize(text, p)
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}

// maxShort is the size of most texts of which there is a digest.
const maxShort = 1 << 10

// withSize appends a part after its size, so that other parts are another text.
func withSize[T string | []byte](text []byte, part T) []byte {
	return append(binary.BigEndian.AppendUint64(text, uint64(len(part))), part...)
}

// decode reads JSON, and leaves numbers as they were written.
func decode(data []byte, into any) bool {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(into) == nil
}
