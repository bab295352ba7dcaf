package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxDocument bounds a document read from a file; 10,000 units are some 40 MiB.
const maxDocument = 128 << 20

// Read reads a document strictly, as the published schema has it: another version, an unknown
// or a missing key, and an incomplete or too long file are errors that name the file. A rule
// would take what is missing for empty, and pass it.
func Read(name string, r io.Reader) (*Document, error) {
	content, err := readAll(io.LimitReader(r, maxDocument+1), sizeOf(r))
	if err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	if len(content) > maxDocument {
		return nil, fmt.Errorf("read the facts %s: larger than %d MiB, the limit for a facts document", name, maxDocument>>20)
	}
	doc, err := decode(content, true)
	if err != nil {
		return nil, fmt.Errorf("read the facts %s: %w", name, err)
	}
	return doc, nil
}

// Decode reads a document that this program has encoded. It is [Read], but keys may be missing.
func Decode(content []byte) (*Document, error) { return decode(content, false) }

// readAll is io.ReadAll into a buffer that already has the right size.
func readAll(r io.Reader, size int) ([]byte, error) {
	var all bytes.Buffer
	all.Grow(size + bytes.MinRead)
	_, err := all.ReadFrom(r)
	return all.Bytes(), err
}

// sizeOf returns the size of a file, within bounds.
func sizeOf(r io.Reader) int {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return int(min(info.Size(), maxDocument))
		}
	}
	return 0
}

func decode(content []byte, whole bool) (*Document, error) {
	doc := &Document{}
	if p := newPlainReader(content); !p.read(doc) || doc.Schema != Schema {
		var err error
		if doc, err = decodeAny(content); err == nil && whole {
			err = checkWhole(content)
		}
		if err != nil {
			return nil, err
		}
	}
	if doc.CollectedAt.IsZero() || doc.Collectors == nil || doc.Units == nil {
		return nil, errors.New("collected_at, collectors or units is missing")
	}
	return doc, nil
}

// decodeAny reads every valid document, and returns an error that says what is wrong with
// an invalid one.
func decodeAny(content []byte) (*Document, error) {
	var version struct{ Schema string }
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, located(err, content)
	}
	if version.Schema != Schema {
		return nil, fmt.Errorf("schema is %q; this program reads %q (make a new document with: stackpolicy facts)", version.Schema, Schema)
	}
	doc := &Document{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(doc); err != nil {
		return nil, located(err, content)
	}
	return doc, nil
}

// located adds the line to an error of the decoder, and explains the error of a text that
// ends too early.
func located(err error, content []byte) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(content)):
		return fmt.Errorf("the text ends in the middle, at line %d: it was cut off", lineOf(content, syntax.Offset))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineOf(content, syntax.Offset), err)
	case errors.As(err, &typ):
		return fmt.Errorf("line %d: %s is a JSON %s, which is the wrong type", lineOf(content, typ.Offset), typ.Field, typ.Value)
	}
	return err
}

func lineOf(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(offset, int64(len(content)))], []byte("\n"))
}

// plainReader reads a document in the form that this program writes: with known keys, in
// the order of the struct's fields. It takes a quarter of the general decoder's time, and
// less memory, because it keeps equal texts once. For any other text it only reports that
// it cannot read it.
type plainReader struct {
	rest   []byte
	texts  map[string]string
	fields map[reflect.Type][]field
}

func newPlainReader(content []byte) *plainReader {
	return &plainReader{rest: content, texts: map[string]string{}, fields: map[reflect.Type][]field{}}
}

func (p *plainReader) read(doc *Document) bool {
	return p.value(reflect.ValueOf(doc).Elem()) && p.peek() == 0 && len(p.rest) == 0
}

func (p *plainReader) value(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		s, ok := p.text()
		v.SetString(s)
		return ok
	case reflect.Bool:
		v.SetBool(p.peek() == 't')
		return p.word("true") || p.word("false")
	case reflect.Pointer:
		if p.word("null") {
			return true
		}
		v.Set(reflect.New(v.Type().Elem()))
		return p.value(v.Elem())
	case reflect.Slice:
		return p.list(v)
	case reflect.Map:
		return p.mapping(v)
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			return t.UnmarshalJSON(p.scalar()) == nil
		}
		return p.object(v)
	}
	token := p.scalar()
	return token != nil && json.Unmarshal(token, v.Addr().Interface()) == nil
}

func (p *plainReader) list(v reflect.Value) bool {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return p.members('[', ']', func() bool {
		n := v.Len()
		v.Grow(1)
		v.SetLen(n + 1)
		return p.value(v.Index(n))
	})
}

func (p *plainReader) mapping(v reflect.Value) bool {
	v.Set(reflect.MakeMap(v.Type()))
	return p.members('{', '}', func() bool {
		key, ok := p.text()
		value := reflect.New(v.Type().Elem()).Elem()
		if !ok || !p.sign(':') || !p.value(value) {
			return false
		}
		v.SetMapIndex(reflect.ValueOf(key), value)
		return true
	})
}

func (p *plainReader) object(v reflect.Value) bool {
	fields, next := p.fieldsOf(v.Type()), 0
	all := p.members('{', '}', func() bool {
		key, ok := p.text()
		for next < len(fields) && fields[next].key != key && !fields[next].must {
			next++
		}
		if !ok || next == len(fields) || fields[next].key != key || !p.sign(':') {
			return false
		}
		next++
		return p.value(v.Field(next - 1))
	})
	return all && !slices.ContainsFunc(fields[next:], func(f field) bool { return f.must })
}

func (p *plainReader) fieldsOf(t reflect.Type) []field {
	fields, known := p.fields[t]
	if !known {
		fields = fieldsOf(t)
		p.fields[t] = fields
	}
	return fields
}

// members reads a list in brackets, with commas between its members.
func (p *plainReader) members(opening, closing byte, member func() bool) bool {
	if !p.sign(opening) {
		return false
	}
	if p.sign(closing) {
		return true
	}
	for member() {
		if !p.sign(',') {
			return p.sign(closing)
		}
	}
	return false
}

// text reads the next text. Most texts occur many times in a document.
func (p *plainReader) text() (string, bool) {
	isText := p.peek() == '"'
	token := p.scalar()
	if !isText || token == nil {
		return "", false
	}
	if s, known := p.texts[string(token)]; known {
		return s, true
	}
	return p.newText(token)
}

func (p *plainReader) newText(token []byte) (string, bool) {
	quoted := string(token)
	s := quoted[1 : len(quoted)-1]
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) {
		if json.Unmarshal(token, &s) != nil {
			return "", false
		}
	}
	p.texts[quoted] = s
	return s, true
}

// scalar reads a text with its quotes, or everything up to the next sign; nil at the end.
func (p *plainReader) scalar() []byte {
	end := 0
	if p.peek() == '"' {
		end = endOfText(p.rest)
	} else {
		end = bytes.IndexAny(p.rest, ",]} \t\r\n")
	}
	if end <= 0 {
		return nil
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// endOfText returns the end of the text at the beginning of rest, or 0 if it has no end.
func endOfText(rest []byte) int {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

func (p *plainReader) word(w string) bool {
	p.peek()
	rest, found := bytes.CutPrefix(p.rest, []byte(w))
	p.rest = rest
	return found
}

func (p *plainReader) sign(b byte) bool {
	if p.peek() != b {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// peek returns the next byte that is not white space, or 0 at the end.
func (p *plainReader) peek() byte {
	for i, b := range p.rest {
		if b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			p.rest = p.rest[i:]
			return b
		}
	}
	p.rest = nil
	return 0
}
