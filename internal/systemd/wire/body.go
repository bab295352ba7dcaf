package wire

import (
	"errors"
	"fmt"
)

// maxDepth bounds how deep values may be nested: containers and variants.
const maxDepth = 64

// Body is the marshalled content of an answer, which is read from its start to
// its end.
type Body struct {
	cursor
	signature []byte
}

// Properties reads the answer to Properties.GetAll: the values of the wanted
// names. They are strings, bools and whole numbers of the size they were sent
// in, []string, and [][]any for an array of structures of these; a value of any
// other type is nil.
func (b *Body) Properties(wanted map[string]bool) (map[string]any, error) {
	b.expect("a{sv}")
	values := make(map[string]any, len(wanted))
	end := b.array('{')
	for b.err == nil && b.at < end {
		b.align(8)
		name := b.text()
		sig := b.single()
		if wanted[string(name)] {
			values[string(name)] = b.value(sig, 1)
		} else {
			b.skip(sig, 1)
		}
	}
	b.exactly(end)
	return values, b.end()
}

// Variant reads the answer to Properties.Get. For types see [Body.Properties].
func (b *Body) Variant() (any, error) {
	b.expect("v")
	v := b.value(b.single(), 1)
	return v, b.end()
}

func (b *Body) expect(signature string) {
	if string(b.signature) != signature {
		b.fail(fmt.Errorf("an answer of type %q in place of %q", b.signature, signature))
	}
}

// sig reads a signature, which may have any number of types.
func (b *Body) sig() []byte { return b.terminated(int(b.byte())) }

// single reads a signature of one type, as in a variant.
func (b *Body) single() []byte {
	s := b.sig()
	if b.err == nil && (len(s) == 0 || firstType(s, 0) != len(s)) {
		b.fail(fmt.Errorf("a variant of type %q", s))
	}
	return s
}

// array reads the length of an array and returns its end.
func (b *Body) array(of byte) (end int) {
	n := b.length()
	b.align(alignment(of))
	if b.err == nil && n > len(b.data)-b.at {
		b.fail(errors.New("an array goes beyond the end of its message"))
	}
	return b.at + n
}

// value reads a value of one type, and skips it when it is of a type for which
// [Body.Properties] has none.
func (b *Body) value(sig []byte, depth int) any {
	if b.err != nil {
		return nil
	}
	switch sig[0] {
	case 's':
		return b.string()
	case 'b':
		return b.bool()
	case 'y':
		return b.byte()
	case 'n':
		return int16(b.uint16())
	case 'q':
		return b.uint16()
	case 'i':
		return int32(b.uint32())
	case 'u':
		return b.uint32()
	case 'x':
		return int64(b.uint64())
	case 't':
		return b.uint64()
	case 'a':
		switch sig[1] {
		case 's':
			return b.strings()
		case '(':
			return b.rows(sig[1:], depth+1)
		}
	}
	b.skip(sig, depth)
	return nil
}

func (b *Body) strings() []string {
	list := []string{}
	end := b.array('s')
	for b.err == nil && b.at < end {
		list = append(list, b.string())
	}
	b.exactly(end)
	return list
}

func (b *Body) rows(sig []byte, depth int) [][]any {
	rows := [][]any{}
	end := b.array('(')
	for b.err == nil && b.at < end {
		b.align(8)
		var row []any
		for member := range members(sig) {
			row = append(row, b.value(member, depth+1))
		}
		rows = append(rows, row)
	}
	b.exactly(end)
	return rows
}

// skip skips a value.
func (b *Body) skip(sig []byte, depth int) {
	if b.err == nil && depth > maxDepth {
		b.fail(fmt.Errorf("values nested deeper than %d", maxDepth))
	}
	if b.err != nil {
		return
	}
	switch kind := sig[0]; kind {
	case 's', 'o':
		b.text()
	case 'g':
		b.sig()
	case 'v':
		b.skip(b.single(), depth+1)
	case 'a':
		end := b.array(sig[1])
		b.take(end - b.at)
	case '(':
		b.align(8)
		for member := range members(sig) {
			b.skip(member, depth+1)
		}
	default:
		b.align(alignment(kind))
		b.take(alignment(kind)) // a number is as large as it is aligned
	}
}
