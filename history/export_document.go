package history

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"io"

	"stackpolicy/internal/sqlite"
)

// document adds a document that was not sent. It is not ok if there is no room for all of it;
// some parts are sent then. A document with a part that has no room in any shipment is 0.
func (x *exporter) document(tx sqlite.Tx, digest string) (number int64, ok bool, err error) {
	if digest == "" {
		return 0, true, nil
	}
	if number, err = x.number(documentKey(digest)); err != nil || number != 0 {
		return number, err == nil, err
	}
	var text string
	var ids []int64
	if err = tx.One("SELECT parts FROM documents WHERE digest = ?", digest).Scan(&text); err == nil {
		err = sqlite.Decode(text, &ids)
	}
	if err != nil {
		return 0, false, err
	}
	if len(ids) > maxShippedParts {
		return 0, true, nil
	}
	numbers := make([]int64, len(ids))
	for i, id := range ids {
		if numbers[i], ok, err = x.part(tx, id); err != nil || !ok || numbers[i] == 0 {
			return 0, ok, err
		}
	}
	if x.names += len(ids); x.names > maxShippedNames && len(x.Shipment.Documents) > 0 {
		return 0, false, nil
	}
	number = x.give(documentKey(digest), &x.Cursor.Document)
	if len(x.Shipment.Documents) == 0 {
		x.Shipment.Document = number
	}
	x.Shipment.Documents = append(x.Shipment.Documents, runs(numbers))
	return number, true, nil
}

// MaxPackedPart is the largest part that is sent, in bytes and compressed.
const MaxPackedPart = 600_000

func (x *exporter) part(tx sqlite.Tx, id int64) (number int64, ok bool, err error) {
	var digest, content []byte
	if err := tx.One("SELECT digest FROM parts WHERE id = ?", id).Scan(&digest); err != nil {
		return 0, false, err
	}
	key := partKey(digest)
	if number, err = x.number(key); err != nil || number != 0 {
		return number, err == nil, err
	}
	if err := tx.One("SELECT content FROM parts WHERE id = ?", id).Scan(&content); err != nil {
		return 0, false, err
	}
	if len(content) > MaxPackedPart {
		return 0, true, nil
	}
	if !x.fits(len(content)) {
		return 0, false, nil
	}
	text, err := inflate(content)
	if err != nil || sha256.Sum256(text) != [sha256.Size]byte(digest) {
		return 0, true, nil // what is damaged here is said where the document is read
	}
	number = x.give(key, &x.Cursor.Part)
	if len(x.Shipment.Parts) == 0 {
		x.Shipment.Part = number
	}
	x.Shipment.Parts = append(x.Shipment.Parts, text)
	return number, true, nil
}

func inflate(content []byte) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), maxPart))
}

// rules adds the files of policies that were not sent.
func (x *exporter) rules(tx sqlite.Tx, digest string) (ok bool, err error) {
	if n, err := x.number(rulesKey(digest)); err != nil || n != 0 || digest == "" {
		return err == nil, err
	}
	var content []byte
	err = tx.One("SELECT files FROM rules WHERE digest = ?", digest).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(content) > MaxPackedPart {
		return true, nil
	}
	if err != nil || !x.fits(len(content)) {
		return false, err
	}
	text, err := inflate(content)
	if err != nil || !json.Valid(text) {
		return true, nil
	}
	x.fresh[rulesKey(digest)] = 1
	x.Numbered = append(x.Numbered, Numbered{rulesKey(digest), 1})
	x.Shipment.Rules = append(x.Shipment.Rules, ShippedRules{digest, text})
	return true, nil
}
