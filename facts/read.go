package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDocument bounds a document read from a file; 10,000 units are some 40 MiB.
const maxDocument = 128 << 20

// Read reads a document that was written before, strictly: another version, an
// unknown key, a cut-off or over-long file are errors that name it.
func Read(name string, r io.Reader) (*Document, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	if len(content) > maxDocument {
		return nil, fmt.Errorf("read the facts %s: larger than %d MiB, which no facts document is", name, maxDocument>>20)
	}
	doc, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("read the facts %s: %w", name, err)
	}
	return doc, nil
}

func decode(content []byte) (*Document, error) {
	var version struct{ Schema string }
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, located(err, content)
	}
	if version.Schema != Schema {
		return nil, fmt.Errorf("schema is %q; this program reads %q (make the document anew with: stackpolicy facts)", version.Schema, Schema)
	}
	doc := &Document{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(doc); err != nil {
		return nil, located(err, content)
	}
	if doc.CollectedAt.IsZero() || doc.Collectors == nil || doc.Units == nil {
		return nil, errors.New("collected_at, collectors or units is missing")
	}
	return doc, nil
}

// located adds the line to an error of the decoder, and says plainly when the
// text just ends.
func located(err error, content []byte) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(content)):
		return fmt.Errorf("the text ends in the middle, at line %d: it was cut off", lineOf(content, syntax.Offset))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineOf(content, syntax.Offset), err)
	case errors.As(err, &typ):
		return fmt.Errorf("line %d: %s is a JSON %s, which is not what belongs there", lineOf(content, typ.Offset), typ.Field, typ.Value)
	}
	return err
}

func lineOf(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(offset, int64(len(content)))], []byte("\n"))
}
