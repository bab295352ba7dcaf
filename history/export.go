package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"stackpolicy/internal/sqlite"
)

// maxRecentActions is how many actions may still change.
const maxRecentActions = 50

// Room bounds a shipment.
type Room struct {
	Bytes int // of parts and rules, compressed; at least [MaxPackedPart]
	Rows  int // of each kind
}

// Known returns the number by which something that was sent is named; 0 if it was not sent.
type Known func(key string) (number int64, err error)

// Export returns what follows a cursor, and the cursor after it. Where there is more than has
// room, it says so. Once what it returns is kept, the caller keeps the cursor and the numbers.
func (s *Store) Export(ctx context.Context, c Cursor, known Known, room Room) (e Exported, err error) {
	e.Cursor = c
	e.Cursor.Open, e.Cursor.Actions = maps.Clone(c.Open), maps.Clone(c.Actions)
	x := &exporter{Exported: &e, known: known, room: room, fresh: map[string]int64{}}
	if err := s.db.View(ctx, func(tx sqlite.Tx) error { return x.run(tx) }); err != nil {
		return Exported{}, fmt.Errorf("read what of the history was not sent: %w", err)
	}
	return e, nil
}

// Exported is what [Store.Export] returns.
type Exported struct {
	Shipment Shipment
	Cursor   Cursor
	Numbered []Numbered
	More     bool
}

type exporter struct {
	*Exported
	known Known
	room  Room
	fresh map[string]int64 // what this shipment numbers
	names int              // parts of its documents
}

// run exports spans, and when there is no more of them, findings and actions, which are as they
// are now.
func (x *exporter) run(tx sqlite.Tx) error {
	var began int64
	if err := tx.One("SELECT began FROM origin").Scan(&began); err != nil {
		return err
	}
	if x.Cursor.Began != began {
		x.Cursor = Cursor{Began: began, Part: x.Cursor.Part, Document: x.Cursor.Document, Reset: x.Cursor.Reset}
	}
	if x.Cursor.Open == nil {
		x.Cursor.Open = map[int64]string{}
	}
	if x.Cursor.Actions == nil {
		x.Cursor.Actions = map[int64]string{}
	}
	x.Shipment.Began, x.Shipment.Reset, x.Cursor.Reset = began, x.Cursor.Reset, false
	for _, export := range []func(sqlite.Tx) error{x.spans, x.findings, x.actions} {
		if err := export(tx); err != nil || x.More {
			return err
		}
	}
	return nil
}

func (x *exporter) spans(tx sqlite.Tx) error {
	rows, err := sqlite.List(tx, scanShippedSpan, `SELECT spans.id, first, last, count, total, mode, exit_code, policy,
		coalesce(digest, ''), gaps, duration_ms, verdict FROM spans LEFT JOIN documents ON documents.id = document
		WHERE spans.id >= ? ORDER BY spans.id LIMIT ?`, x.Cursor.Span, x.room.Rows+2)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.ID == x.Cursor.Span {
			x.extend(r.ShippedSpan)
			continue
		}
		if len(x.Shipment.Spans) == x.room.Rows {
			x.More = true
			return nil
		}
		number, ok, err := x.document(tx, r.digest)
		if err == nil && ok {
			ok, err = x.rules(tx, r.Policy)
		}
		if err != nil {
			return err
		}
		if !ok {
			x.More = true
			return nil
		}
		r.Document = number
		if x.Cursor.Span > 0 { // else nothing was sent yet: what is older was forgotten in due time
			x.Shipment.Lost += max(0, r.Total-r.Count-x.Cursor.Total)
		}
		x.Shipment.Spans = append(x.Shipment.Spans, r.ShippedSpan)
		x.Cursor.Span, x.Cursor.Total = r.ID, r.Total
	}
	return nil
}

// extend adds audits to the last span that was sent.
func (x *exporter) extend(r ShippedSpan) {
	if r.Total == x.Cursor.Total {
		return
	}
	x.Shipment.Extended = &ShippedSpan{ID: r.ID, Last: r.Last, Count: r.Count, Total: r.Total, DurationMS: r.DurationMS}
	x.Cursor.Total = r.Total
}

type spanToShip struct {
	ShippedSpan
	digest string
}

func scanShippedSpan(r sqlite.Row) (s spanToShip, err error) {
	var gaps string
	err = r.Scan(&s.ID, &s.First, &s.Last, &s.Count, &s.Total, &s.Mode, &s.ExitCode, &s.Policy, &s.digest, &gaps, &s.DurationMS, &s.Verdict)
	if gaps != "[]" {
		s.Gaps = json.RawMessage(gaps)
	}
	return s, err
}

// number returns the number of something that was sent, also in this shipment; 0 if it was not.
func (x *exporter) number(key string) (int64, error) {
	if n, has := x.fresh[key]; has {
		return n, nil
	}
	return x.known(key)
}

// give numbers something that this shipment has.
func (x *exporter) give(key string, last *int64) int64 {
	*last++
	x.fresh[key] = *last
	x.Numbered = append(x.Numbered, Numbered{key, *last})
	return *last
}

// fits reports whether something of a size has room. What is larger than a whole shipment has
// none in any.
func (x *exporter) fits(size int) (ok bool) {
	ok = size <= x.room.Bytes
	if ok {
		x.room.Bytes -= size
	}
	return ok
}

// findings adds those that appeared or changed.
func (x *exporter) findings(tx sqlite.Tx) error {
	ids, err := sqlite.Encode(append([]int64{}, slices.Collect(maps.Keys(x.Cursor.Open))...))
	if err != nil {
		return err
	}
	rows, err := sqlite.List(tx, scanShippedFinding, `SELECT id, finding, since, seen, resolved FROM standings
		WHERE id > ? OR id IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?`, x.Cursor.Finding, ids, len(x.Cursor.Open)+x.room.Rows+1)
	if err != nil {
		return err
	}
	left := maps.Clone(x.Cursor.Open)
	for _, r := range rows {
		delete(left, r.ID)
		if len(x.Shipment.Findings) == x.room.Rows {
			x.More = true
			continue
		}
		x.finding(r)
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		x.Shipment.Forgotten = append(x.Shipment.Forgotten, id)
		delete(x.Cursor.Open, id)
	}
	return nil
}

func (x *exporter) finding(r ShippedFinding) {
	digest := rowDigest(r)
	if x.Cursor.Open[r.ID] == digest {
		return
	}
	x.Shipment.Findings = append(x.Shipment.Findings, r)
	x.Cursor.Finding = max(x.Cursor.Finding, r.ID)
	delete(x.Cursor.Open, r.ID)
	if r.Resolved == nil {
		x.Cursor.Open[r.ID] = digest
	}
}

func scanShippedFinding(r sqlite.Row) (f ShippedFinding, err error) {
	var text string
	var seen, resolved sql.NullInt64
	err = r.Scan(&f.ID, &text, &f.Since, &seen, &resolved)
	f.Finding = json.RawMessage(text)
	if seen.Valid {
		f.Seen = &seen.Int64
	}
	if resolved.Valid {
		f.Resolved = &resolved.Int64
	}
	return f, err
}

// rowDigest is short: it only tells one state of a row from its next.
func rowDigest(row any) string {
	text, err := json.Marshal(row)
	if err != nil {
		return "" // such a row is sent each time
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%x", sum[:8])
}

// actions adds those that began or changed.
func (x *exporter) actions(tx sqlite.Tx) error {
	ids, err := sqlite.Encode(append([]int64{}, slices.Collect(maps.Keys(x.Cursor.Actions))...))
	if err != nil {
		return err
	}
	rows, err := sqlite.List(tx, scanAction, actionQuery+`WHERE actions.id > ? OR actions.id IN (SELECT value FROM json_each(?))
		ORDER BY actions.id LIMIT ?`, x.Cursor.Action, ids, x.room.Rows+len(x.Cursor.Actions)+1)
	if err != nil {
		return err
	}
	for _, a := range rows {
		ok := len(x.Shipment.Actions) < x.room.Rows
		if ok {
			ok, err = x.action(tx, a)
		}
		if err != nil {
			return err
		}
		if !ok {
			x.More = true
			return nil
		}
	}
	for id := range x.Cursor.Actions {
		if id <= x.Cursor.Action-maxRecentActions {
			delete(x.Cursor.Actions, id)
		}
	}
	return nil
}

func (x *exporter) action(tx sqlite.Tx, a Action) (ok bool, err error) {
	reasons, err := sqlite.Encode(a.Reasons)
	if err != nil {
		return false, err
	}
	r := ShippedAction{
		ID: a.ID, At: sqlite.Stamp(a.At), Action: string(a.Action), Subject: a.Subject, Reasons: json.RawMessage(reasons),
		Status: a.Status, Healed: a.Healed, Message: a.Message, DurationMS: a.DurationMS,
	}
	if r.Before, ok, err = x.document(tx, a.Before); err == nil && ok {
		r.After, ok, err = x.document(tx, a.After)
	}
	if err != nil || !ok {
		return false, err
	}
	digest := rowDigest(r)
	if x.Cursor.Actions[a.ID] != digest {
		x.Shipment.Actions = append(x.Shipment.Actions, r)
		x.Cursor.Actions[a.ID] = digest
	}
	x.Cursor.Action = max(x.Cursor.Action, a.ID)
	return true, nil
}
