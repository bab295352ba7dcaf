package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"stackpolicy/internal/sqlite"
)

// Places say where the rows of a sender go in a copy of its history.
type Places struct {
	// Span, Finding and Action are added to the sender's ids.
	Span, Finding, Action int64
	// Parts and Documents have the ids of those whose number is another one.
	Parts, Documents map[int64]int64
}

// Places returns where the rows of a history that begins now go: behind all that are here.
func (s *Store) Places(ctx context.Context) (p Places, err error) {
	err = s.db.View(ctx, func(tx sqlite.Tx) error {
		return tx.One(`SELECT coalesce((SELECT max(id) FROM spans), 0), coalesce((SELECT max(id) FROM standings), 0),
			coalesce((SELECT max(id) FROM actions), 0)`).Scan(&p.Span, &p.Finding, &p.Action)
	})
	if err != nil {
		return p, fmt.Errorf("read where the copy of a history ends: %w", err)
	}
	return p, nil
}

// Import adds what [Store.Export] returned elsewhere, in one transaction. Adding the same again
// changes nothing. It adds to the places the numbers that are another id here, which the caller
// keeps. What a shipment refers to and is not here is left out: a document without one of its
// parts is none. So is a row that no sender of this program writes. A shipment that is larger than
// any that they make is an [ErrForeign].
func (s *Store) Import(ctx context.Context, sh Shipment, p *Places) error {
	after := Places{p.Span, p.Finding, p.Action, maps.Clone(p.Parts), maps.Clone(p.Documents)}
	err := s.ImportAll(ctx, func(i *Importer) error {
		_, err := i.Import(sh, &after)
		return err
	})
	if err == nil {
		*p = after
	}
	return err
}

// ImportAll lets work add shipments in one transaction, which is on the disk when it returns. If
// it returns an error, nothing of them is added. Like any transaction, it takes no more than ten
// seconds.
func (s *Store) ImportAll(ctx context.Context, work func(*Importer) error) error {
	press := presses.Get().(*press)
	defer presses.Put(press)
	err := s.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		return work(&Importer{tx: tx, press: press, digests: map[int64][]byte{}})
	})
	if err != nil {
		return fmt.Errorf("add to the copy of a history: %w", err)
	}
	return nil
}

// presses are used again: a new one needs a megabyte.
var presses = sync.Pool{New: func() any { return new(press) }}

// Abandon ends the findings that are open, because the sender began a new history. That is on the
// disk when it returns.
func (s *Store) Abandon(ctx context.Context, began int64) error {
	return s.ImportAll(ctx, func(i *Importer) error { return i.Abandon(began) })
}

// Importer adds to a copy of a history, within [Store.ImportAll].
type Importer struct {
	tx      sqlite.Tx
	press   *press
	digests map[int64][]byte // of parts that are here, by id; not of all

	sh       Shipment // the one that is added
	p, noted Places
}

// Import is [Store.Import]. It returns the numbers that it added to the places. An [ErrForeign]
// leaves the copy as it was; after another error the transaction must end.
func (i *Importer) Import(sh Shipment, p *Places) (noted Places, err error) {
	if err := sh.check(); err != nil {
		return noted, err
	}
	for _, m := range []*map[int64]int64{&p.Parts, &p.Documents, &noted.Parts, &noted.Documents} {
		if *m == nil {
			*m = map[int64]int64{}
		}
	}
	i.sh, i.p, i.noted = sh, *p, noted
	for _, add := range []func() error{i.parts, i.documents, i.rules, i.spans, i.findings, i.actions} {
		if err := add(); err != nil {
			return noted, err
		}
	}
	return noted, nil
}

// Abandon is [Store.Abandon].
func (i *Importer) Abandon(began int64) error {
	return i.tx.Do("UPDATE standings SET resolved = max(since, ?) WHERE resolved IS NULL", began)
}

func (i *Importer) parts() error {
	for n, text := range i.sh.Parts {
		digest := sha256.Sum256(text)
		id, err := i.keep("parts", i.sh.Part+int64(n), digest[:], func(id any) (int64, error) {
			return i.tx.Insert("INSERT INTO parts (id, digest, content) VALUES (?, ?, ?)", id, digest[:], i.press.press(text))
		})
		if err != nil {
			return err
		}
		noteID(i.p.Parts, i.noted.Parts, i.sh.Part+int64(n), id)
		i.remember(id, digest[:])
	}
	return nil
}

// keep inserts what is not here, with its number as its id if that is free. It returns the id.
func (i *Importer) keep(table string, number int64, digest any, insert func(id any) (int64, error)) (id int64, err error) {
	err = i.tx.One("SELECT id FROM "+table+" WHERE digest = ?", digest).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	var taken bool
	if err := i.tx.One("SELECT EXISTS (SELECT 1 FROM "+table+" WHERE id = ?)", number).Scan(&taken); err != nil {
		return 0, err
	}
	return insert(freeID(number, taken))
}

// noteID notes the id of a number where that is another one.
func noteID(places, noted map[int64]int64, number, id int64) {
	if was, has := places[number]; id != number && (!has || was != id) {
		places[number], noted[number] = id, id
	}
}

// maxDigests bounds the digests that are remembered.
const maxDigests = 100_000

func (i *Importer) remember(id int64, digest []byte) {
	if len(i.digests) >= maxDigests {
		clear(i.digests)
	}
	i.digests[id] = digest
}

// maxNumber bounds the numbers that become ids: SQLite gives none above the largest.
const maxNumber = 1 << 48

// freeID returns the id to insert with; nil is whichever is free.
func freeID(number int64, taken bool) any {
	if taken || number <= 0 || number > maxNumber {
		return nil
	}
	return number
}

func (i *Importer) documents() error {
	for n, all := range i.sh.Documents {
		ids, digest, err := i.assembled(numbersOf(all))
		if err != nil {
			return err
		}
		if ids == nil {
			continue
		}
		text, err := sqlite.Encode(ids)
		if err != nil {
			return err
		}
		id, err := i.keep("documents", i.sh.Document+int64(n), digest, func(id any) (int64, error) {
			return i.tx.Insert("INSERT INTO documents (id, digest, parts) VALUES (?, ?, ?)", id, digest, text)
		})
		if err != nil {
			return err
		}
		noteID(i.p.Documents, i.noted.Documents, i.sh.Document+int64(n), id)
	}
	return nil
}

// assembled returns the ids of a document's parts, and its digest; nil if one is not here.
func (i *Importer) assembled(numbers []int64) (ids []int64, digest string, err error) {
	whole := sha256.New()
	for _, n := range numbers {
		id := placed(i.p.Parts, n)
		digest, err := i.digest(id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		whole.Write(digest)
		ids = append(ids, id)
	}
	return ids, fmt.Sprintf("sha256:%x", whole.Sum(nil)), nil
}

// digest returns the digest of a part that is here; else the error is [sql.ErrNoRows].
func (i *Importer) digest(id int64) (digest []byte, err error) {
	if digest, has := i.digests[id]; has {
		return digest, nil
	}
	if err = i.tx.One("SELECT digest FROM parts WHERE id = ?", id).Scan(&digest); err == nil {
		i.remember(id, digest)
	}
	return digest, err
}

func placed(places map[int64]int64, number int64) int64 {
	if id, has := places[number]; has {
		return id
	}
	return number
}

func (i *Importer) rules() error {
	for _, r := range i.sh.Rules {
		var has bool
		err := i.tx.One("SELECT EXISTS (SELECT 1 FROM rules WHERE digest = ?)", r.Digest).Scan(&has)
		if err == nil && !has { // to compress them takes longer than all the rest
			err = i.tx.Do("INSERT INTO rules (digest, files) VALUES (?, ?)", r.Digest, i.press.press(r.Files))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// document returns the id of a document; NULL if it is not here.
func (i *Importer) document(number int64) (id sql.NullInt64, err error) {
	if number == 0 {
		return id, nil
	}
	err = i.tx.One("SELECT id FROM documents WHERE id = ?", placed(i.p.Documents, number)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, err
}

func (i *Importer) spans() error {
	if x := i.sh.Extended; x != nil {
		err := i.tx.Do("UPDATE spans SET last = ?, count = ?, total = ?, duration_ms = ? WHERE id = ?", x.Last, x.Count, x.Total, x.DurationMS, x.ID+i.p.Span)
		if err != nil {
			return err
		}
	}
	for _, s := range i.sh.Spans {
		if sqlite.Decode(listOr(s.Gaps), new([]string)) != nil {
			continue
		}
		document, err := i.document(s.Document)
		if err != nil {
			return err
		}
		err = i.tx.Do(`INSERT OR REPLACE INTO spans (id, first, last, count, total, mode, exit_code, policy, document, gaps, duration_ms, verdict)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, s.ID+i.p.Span, s.First, s.Last, s.Count, s.Total, s.Mode, s.ExitCode,
			s.Policy, document, listOr(s.Gaps), s.DurationMS, s.Verdict)
		if err != nil {
			return err
		}
	}
	return nil
}

// listOr returns a stored list, empty for none.
func listOr(text json.RawMessage) string {
	if len(text) == 0 {
		return "[]"
	}
	return string(text)
}

func (i *Importer) findings() error {
	for _, f := range i.sh.Findings {
		var stored StoredFinding
		if sqlite.Decode(string(f.Finding), &stored) != nil || stored.Invariant == "" || stored.Subject == "" {
			continue
		}
		err := i.tx.Do("INSERT OR REPLACE INTO standings (id, finding, since, seen, resolved) VALUES (?, ?, ?, ?, ?)",
			f.ID+i.p.Finding, string(f.Finding), f.Since, f.Seen, f.Resolved)
		if err != nil {
			return err
		}
	}
	for _, id := range i.sh.Forgotten {
		if err := i.tx.Do("DELETE FROM standings WHERE id = ?", id+i.p.Finding); err != nil {
			return err
		}
	}
	return nil
}

func (i *Importer) actions() error {
	for _, a := range i.sh.Actions {
		if sqlite.Decode(listOr(a.Reasons), new([]Reason)) != nil {
			continue
		}
		before, err1 := i.document(a.Before)
		after, err2 := i.document(a.After)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		err := i.tx.Do(`INSERT OR REPLACE INTO actions (id, at, action, subject, reasons, status, healed, message, duration_ms, before, after)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, a.ID+i.p.Action, a.At, a.Action, a.Subject, listOr(a.Reasons), a.Status,
			a.Healed, a.Message, a.DurationMS, before, after)
		if err != nil {
			return err
		}
	}
	return nil
}
