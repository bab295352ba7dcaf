package history

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
)

// maxPart bounds the size of an unpacked part.
const maxPart = 128 << 20

// packed is a document as it is stored: in parts, most of which are the same as in the
// previous document.
type packed struct {
	digest string
	parts  []part // everything except the units, then each unit
}

type part struct {
	digest [sha256.Size]byte
	text   []byte
}

// pack brings a document into a form without the time of its collection and the durations of
// its collectors. It is equal for two documents if everything that rules use is equal.
func pack(doc *facts.Document) (packed, error) {
	head := *doc
	head.CollectedAt, head.Units = time.Time{}, nil
	head.Collectors = map[string]facts.CollectorStatus{}
	for name, status := range doc.Collectors {
		status.DurationMS = 0
		head.Collectors[name] = status
	}
	p := packed{parts: make([]part, 1+len(doc.Units))}
	var err error
	if p.parts[0], err = newPart(head); err != nil {
		return p, err
	}
	for i, u := range doc.Units {
		if p.parts[i+1], err = newPart(u); err != nil {
			return p, err
		}
	}
	p.digest = digestOf(p.parts)
	return p, nil
}

func newPart(v any) (part, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return part{}, fmt.Errorf("encode the document: %w", err)
	}
	return part{sha256.Sum256(text), text}, nil
}

// packOrNone is pack for a document that can be nil.
func packOrNone(doc *facts.Document) (*packed, error) {
	if doc == nil {
		return nil, nil
	}
	p, err := pack(doc)
	return &p, err
}

// keepDocument stores a document that is not stored yet, and returns its id; NULL for
// nil.
func keepDocument(tx sqlite.Tx, p *packed) (id sql.NullInt64, err error) {
	if p == nil {
		return id, nil
	}
	err = tx.One("SELECT id FROM documents WHERE digest = ?", p.digest).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	ids, err := keepParts(tx, p.parts)
	if err != nil {
		return id, err
	}
	text, err := sqlite.Encode(ids)
	if err != nil {
		return id, err
	}
	id.Valid = true
	id.Int64, err = tx.Insert("INSERT INTO documents (digest, parts) VALUES (?, ?)", p.digest, text)
	return id, err
}

func keepParts(tx sqlite.Tx, parts []part) ([]int64, error) {
	ids, press := make([]int64, len(parts)), press{}
	for i, p := range parts {
		err := tx.One("SELECT id FROM parts WHERE digest = ?", p.digest[:]).Scan(&ids[i])
		if errors.Is(err, sql.ErrNoRows) {
			ids[i], err = tx.Insert("INSERT INTO parts (digest, content) VALUES (?, ?)", p.digest[:], press.press(p.text))
		}
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// press compresses many short texts.
type press struct {
	w   *flate.Writer
	out bytes.Buffer
}

// press returns the compressed text, which is valid until the next call. It cannot fail,
// because it writes to a buffer with a valid compression level.
func (p *press) press(text []byte) []byte {
	p.out.Reset()
	if p.w == nil {
		p.w, _ = flate.NewWriter(&p.out, flate.BestCompression)
	} else {
		p.w.Reset(&p.out)
	}
	_, _ = p.w.Write(text)
	_ = p.w.Close()
	return p.out.Bytes()
}

// Document returns a document that an audit stored, with the given time of collection, which
// must be within the span that names the document. The durations of its collectors are zero.
// If it is not kept, the error is [fs.ErrNotExist].
func (l AuditLog) Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error) {
	return l.Snapshots().Document(ctx, digest, at)
}

// DocumentHead is [AuditLog.Document] without the units and the time, which reads far less. That
// the units are there is not checked.
func (l AuditLog) DocumentHead(ctx context.Context, digest string) (*facts.Document, error) {
	var head *decoded
	err := l.db.View(ctx, func(tx sqlite.Tx) error {
		ids, err := partsOf(tx, digest)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return errParts
		}
		var want []byte
		if err = tx.One("SELECT digest FROM parts WHERE id = ?", ids[0]).Scan(&want); err == nil {
			head, err = new(unpacker).decode(tx.One("SELECT content FROM parts WHERE id = ?", ids[0]), true, maxWeight)
		}
		if err == nil && !bytes.Equal(head.digest[:], want) {
			err = errParts
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the head of document %q of the history: %w", digest, err)
	}
	return &head.head, nil
}

// partsOf returns the ids of a document's parts. If it is not kept, the error is [fs.ErrNotExist].
func partsOf(tx sqlite.Tx, digest string) (ids []int64, err error) {
	var text string
	err = tx.One("SELECT parts FROM documents WHERE digest = ?", digest).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fs.ErrNotExist
	}
	if err == nil {
		err = sqlite.Decode(text, &ids)
	}
	return ids, err
}

// Snapshots reads one document after the other. Most parts of one are those of the last, and
// are not read again.
type Snapshots struct {
	log  AuditLog
	last map[int64]*decoded // the parts of the last document
	unpacker
}

// decoded is a part: a unit, or everything else of a document.
type decoded struct {
	digest [sha256.Size]byte
	weight int
	head   facts.Document
	unit   facts.Unit
}

// Snapshots returns a reader of documents. Use it from one goroutine.
func (l AuditLog) Snapshots() *Snapshots { return &Snapshots{log: l} }

// Document is [AuditLog.Document]. Do not change the document: it shares what it has with
// the next one.
func (s *Snapshots) Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error) {
	var doc *facts.Document
	err := s.log.db.View(ctx, func(tx sqlite.Tx) (err error) {
		doc, err = s.read(tx, digest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read document %q of the history: %w", digest, err)
	}
	doc.CollectedAt = at.UTC()
	return doc, nil
}

func (s *Snapshots) read(tx sqlite.Tx, digest string) (*facts.Document, error) {
	ids, err := partsOf(tx, digest)
	if err != nil {
		return nil, err
	}
	parts, err := s.parts(tx, ids)
	if err != nil {
		return nil, err
	}
	return assemble(digest, parts)
}

// parts returns the parts with the given ids, in their order: those of the last document,
// and what must be read.
func (s *Snapshots) parts(tx sqlite.Tx, ids []int64) ([]*decoded, error) {
	parts, next, weight := make([]*decoded, 0, len(ids)), make(map[int64]*decoded, len(ids)), 0
	for i, id := range ids {
		known, has := s.last[id]
		if !has {
			var err error
			if known, err = s.decode(tx.One("SELECT content FROM parts WHERE id = ?", id), i == 0, maxWeight-weight); err != nil {
				return nil, err
			}
		}
		if weight += 1 + known.weight; weight > maxWeight {
			return nil, errWeight
		}
		parts, next[id] = append(parts, known), known
	}
	s.last = next
	return parts, nil
}

// decode reads a part that has no more than so many values.
func (u *unpacker) decode(r sqlite.Row, isHead bool, room int) (*decoded, error) {
	p, err := u.unpack(r)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errParts
	}
	if err != nil {
		return nil, err
	}
	d := &decoded{digest: p.digest, weight: weightOf(p.text)}
	if d.weight > room {
		return nil, errWeight
	}
	if isHead {
		return d, json.Unmarshal(p.text, &d.head)
	}
	return d, json.Unmarshal(p.text, &d.unit)
}

var errParts = errors.New("parts of it are missing or not what was stored")

// assemble puts a document together, and checks its digest.
func assemble(digest string, parts []*decoded) (*facts.Document, error) {
	whole := sha256.New()
	for _, p := range parts {
		whole.Write(p.digest[:])
	}
	if len(parts) == 0 || fmt.Sprintf("sha256:%x", whole.Sum(nil)) != digest {
		return nil, errParts
	}
	doc := parts[0].head
	doc.Units = make([]facts.Unit, len(parts)-1)
	for i := range doc.Units {
		doc.Units[i] = parts[i+1].unit
	}
	return &doc, nil
}

func digestOf(parts []part) string {
	whole := sha256.New()
	for _, p := range parts {
		whole.Write(p.digest[:])
	}
	return fmt.Sprintf("sha256:%x", whole.Sum(nil))
}

// unpack reads one part, and computes its digest again.
func unpack(r sqlite.Row) (part, error) { return new(unpacker).unpack(r) }

// unpacker reads many parts: most are small, and a new decompressor is not.
type unpacker struct {
	packed bytes.Reader
	flate  io.ReadCloser
	text   bytes.Buffer
}

// unpack is [unpack]. The text is valid until the next call.
func (u *unpacker) unpack(r sqlite.Row) (p part, err error) {
	var content []byte
	if err := r.Scan(&content); err != nil {
		return p, err
	}
	u.packed.Reset(content)
	if u.flate == nil {
		u.flate = flate.NewReader(&u.packed)
	} else if err := u.flate.(flate.Resetter).Reset(&u.packed, nil); err != nil {
		return p, err
	}
	u.text.Reset()
	_, err = u.text.ReadFrom(io.LimitReader(u.flate, maxPart))
	p.text = u.text.Bytes()
	p.digest = sha256.Sum256(p.text)
	return p, err
}
