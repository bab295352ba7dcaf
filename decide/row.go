package decide

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"

	"stackpolicy/finding"
)

// row is what is remembered of a unit.
type row struct {
	key     string
	tags    []byte                  // of the invariants that were decided, one after the other
	found   map[string][]remembered // what they found, by the tag in hex
	changed bool
}

const tagSize = 16

func (r *row) has(tag string) bool {
	for tags := r.tags; len(tags) >= tagSize; tags = tags[tagSize:] {
		if string(tags[:tagSize]) == tag {
			return true
		}
	}
	return false
}

func (r *row) add(tag string, found []remembered) {
	r.tags, r.changed = append(r.tags, tag...), true
	if len(found) > 0 {
		if r.found == nil {
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
	return append([]byte(keyOf(key, string(data)))[:8], data...)
}

func unseal(key string, sealed []byte) ([]byte, bool) {
	if len(sealed) < 8 {
		return nil, false
	}
	data := sealed[8:]
	return data, keyOf(key, string(data))[:8] == string(sealed[:8])
}

// keyOf is a digest of texts.
func keyOf(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		_ = binary.Write(sum, binary.BigEndian, uint64(len(p))) // to a hash
		_, _ = io.WriteString(sum, p)
	}
	return string(sum.Sum(nil))
}

// decode reads JSON, and leaves numbers as they were written.
func decode(data []byte, into any) bool {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(into) == nil
}
