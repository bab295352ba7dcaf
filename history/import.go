package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

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
	if err := sh.check(); err != nil {
		return err
	}
	i := importer{sh: sh, p: Places{p.Span, p.Finding, p.Action, maps.Clone(p.Parts), maps.Clone(p.Documents)}}
	if i.p.Parts == nil {
		i.p.Parts = map[int64]int64{}
	}
	if i.p.Documents == nil {
		i.p.Documents = map[int64]int64{}
	}
	err := s.db.Update(ctx, func(tx sqlite.Tx) error {
		for _, add := range []func(sqlite.Tx) error{i.parts, i.documents, i.rules, i.spans, i.findings, i.actions} {
			if err := add(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add to the copy of a history: %w", err)
	}
	*p = i.p
	return nil
}

// Abandon ends the findings that are open, because the sender began a new history.
func (s *Store) Abandon(ctx context.Context, began int64) error {
	err := s.db.Update(ctx, func(tx sqlite.Tx) error {
		return tx.Do("UPDATE standings SET resolved = max(since, ?) WHERE resolved IS NULL", began)
	})
	if err != nil {
		return fmt.Errorf("end the findings of a history that was replaced: %w", err)
	}
	return nil
}

type importer struct {
	sh    Shipment
	p     Places
	press press
}

func (i *importer) parts(tx sqlite.Tx) error {
	for n, text := range i.sh.Parts {
		digest := sha256.Sum256(text)
		err := keep(tx, i.p.Parts, "parts", i.sh.Part+int64(n), digest[:], func(id any) (int64, error) {
			return tx.Insert("INSERT INTO parts (id, digest, content) VALUES (?, ?, ?)", id, digest[:], i.press.press(text))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keep inserts what is not here, with its number as its id if that is free. It notes the id
// where that is another one.
func keep(tx sqlite.Tx, places map[int64]int64, table string, number int64, digest any, insert func(id any) (int64, error)) error {
	var id int64
	err := tx.One("SELECT id FROM "+table+" WHERE digest = ?", digest).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		var taken bool
		if err := tx.One("SELECT EXISTS (SELECT 1 FROM "+table+" WHERE id = ?)", number).Scan(&taken); err != nil {
			return err
		}
		if id, err = insert(freeID(number, taken)); err != nil {
			return err
		}
	}
	if err == nil && id != number {
		places[number] = id
	}
	return err
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

func (i *importer) documents(tx sqlite.Tx) error {
	for n, all := range i.sh.Documents {
		ids, digest, err := i.assembled(tx, numbersOf(all))
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
		err = keep(tx, i.p.Documents, "documents", i.sh.Document+int64(n), digest, func(id any) (int64, error) {
			return tx.Insert("INSERT INTO documents (id, digest, parts) VALUES (?, ?, ?)", id, digest, text)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// assembled returns the ids of a document's parts, and its digest; nil if one is not here.
func (i *importer) assembled(tx sqlite.Tx, numbers []int64) (ids []int64, digest string, err error) {
	whole := sha256.New()
	for _, n := range numbers {
		id := placed(i.p.Parts, n)
		var part []byte
		err := tx.One("SELECT digest FROM parts WHERE id = ?", id).Scan(&part)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		whole.Write(part)
		ids = append(ids, id)
	}
	return ids, fmt.Sprintf("sha256:%x", whole.Sum(nil)), nil
}

func placed(places map[int64]int64, number int64) int64 {
	if id, has := places[number]; has {
		return id
	}
	return number
}

func (i *importer) rules(tx sqlite.Tx) error {
	for _, r := range i.sh.Rules {
		if err := tx.Do("INSERT OR IGNORE INTO rules (digest, files) VALUES (?, ?)", r.Digest, i.press.press(r.Files)); err != nil {
			return err
		}
	}
	return nil
}

// document returns the id of a document; NULL if it is not here.
func (i *importer) document(tx sqlite.Tx, number int64) (id sql.NullInt64, err error) {
	if number == 0 {
		return id, nil
	}
	err = tx.One("SELECT id FROM documents WHERE id = ?", placed(i.p.Documents, number)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, err
}

func (i *importer) spans(tx sqlite.Tx) error {
	if x := i.sh.Extended; x != nil {
		err := tx.Do("UPDATE spans SET last = ?, count = ?, total = ?, duration_ms = ? WHERE id = ?", x.Last, x.Count, x.Total, x.DurationMS, x.ID+i.p.Span)
		if err != nil {
			return err
		}
	}
	for _, s := range i.sh.Spans {
		if sqlite.Decode(listOr(s.Gaps), new([]string)) != nil {
			continue
		}
		document, err := i.document(tx, s.Document)
		if err != nil {
			return err
		}
		err = tx.Do(`INSERT OR REPLACE INTO spans (id, first, last, count, total, mode, exit_code, policy, document, gaps, duration_ms, verdict)
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

func (i *importer) findings(tx sqlite.Tx) error {
	for _, f := range i.sh.Findings {
		var stored StoredFinding
		if sqlite.Decode(string(f.Finding), &stored) != nil || stored.Invariant == "" || stored.Subject == "" {
			continue
		}
		err := tx.Do("INSERT OR REPLACE INTO standings (id, finding, since, seen, resolved) VALUES (?, ?, ?, ?, ?)",
			f.ID+i.p.Finding, string(f.Finding), f.Since, f.Seen, f.Resolved)
		if err != nil {
			return err
		}
	}
	for _, id := range i.sh.Forgotten {
		if err := tx.Do("DELETE FROM standings WHERE id = ?", id+i.p.Finding); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) actions(tx sqlite.Tx) error {
	for _, a := range i.sh.Actions {
		if sqlite.Decode(listOr(a.Reasons), new([]Reason)) != nil {
			continue
		}
		before, err1 := i.document(tx, a.Before)
		after, err2 := i.document(tx, a.After)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		err := tx.Do(`INSERT OR REPLACE INTO actions (id, at, action, subject, reasons, status, healed, message, duration_ms, before, after)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, a.ID+i.p.Action, a.At, a.Action, a.Subject, listOr(a.Reasons), a.Status,
			a.Healed, a.Message, a.DurationMS, before, after)
		if err != nil {
			return err
		}
	}
	return nil
}
