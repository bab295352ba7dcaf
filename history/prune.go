package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stackpolicy/internal/sqlite"
)

// Prune deletes entries that ended longer than keep ago. While the history is larger than
// maxBytes, it then deletes the oldest documents, and after them the oldest other entries. It
// always keeps open findings, messages that wait, the last audit, and the actions of the last
// 24 hours with their documents. Old entries are deleted only once a day, so that most calls
// are cheap.
func (s *Store) Prune(ctx context.Context, now time.Time, keep time.Duration, maxBytes int64) error {
	p := pruning{now: now, before: sqlite.Stamp(now.Add(-keep)), slack: min(day, keep/10)}
	_, err := s.forget(ctx, p.dropOld)
	for _, drop := range []func(sqlite.Tx) (int64, error){p.dropDocuments, p.dropEntries} {
		for dropped := int64(1); err == nil && dropped > 0; {
			var size int64
			if size, err = s.db.Size(ctx); err != nil || size <= maxBytes {
				break
			}
			dropped, err = s.forget(ctx, drop)
		}
	}
	if err != nil {
		return fmt.Errorf("forget what is old in the history: %w", err)
	}
	return nil
}

// forget deletes entries, and rows to which only they referred, in one transaction, and frees
// the space on disk.
func (s *Store) forget(ctx context.Context, drop func(sqlite.Tx) (int64, error)) (dropped int64, err error) {
	err = s.db.Update(ctx, func(tx sqlite.Tx) (err error) {
		if dropped, err = drop(tx); err != nil || dropped == 0 {
			return err
		}
		return tx.DoAll(
			"DELETE FROM documents WHERE id NOT IN ("+referred+")",
			"DELETE FROM parts WHERE id NOT IN (SELECT value FROM documents, json_each(iif(json_valid(parts), parts, '[]')))",
		)
	})
	if err != nil || dropped == 0 {
		return dropped, err
	}
	return dropped, s.db.Shrink(ctx)
}

// referred selects the documents to which other rows refer.
const referred = `SELECT document FROM spans WHERE document IS NOT NULL
	UNION SELECT before FROM actions WHERE before IS NOT NULL
	UNION SELECT after FROM actions WHERE after IS NOT NULL`

// pruning says which entries may be deleted.
type pruning struct {
	now    time.Time
	before int64
	slack  time.Duration // how much longer an entry may stay, so that not every audit has to delete
}

// recent returns the time since which actions are always kept.
func (p pruning) recent() int64 { return sqlite.Stamp(p.now.Add(-day)) }

// dropOld deletes entries that ended before the time, if an entry should have been deleted
// for longer than slack.
func (p pruning) dropOld(tx sqlite.Tx) (int64, error) {
	var oldest sql.NullInt64
	err := tx.One("SELECT min(last) FROM spans WHERE id < (SELECT max(id) FROM spans)").Scan(&oldest)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!oldest.Valid || oldest.Int64 >= p.before-int64(p.slack)) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return tx.ChangeAll(
		sqlite.Statement{Query: "DELETE FROM spans WHERE last < ? AND id < (SELECT max(id) FROM spans)", Args: []any{p.before}},
		sqlite.Statement{Query: "DELETE FROM standings WHERE resolved < ?", Args: []any{p.before}},
		sqlite.Statement{Query: "DELETE FROM actions WHERE at < ?", Args: []any{min(p.before, p.recent())}},
		sqlite.Statement{Query: "DELETE FROM breakers WHERE until < ?", Args: []any{p.before}},
		sqlite.Statement{Query: "DELETE FROM rules WHERE digest NOT IN (SELECT policy FROM spans)"},
		sqlite.Statement{Query: "DELETE FROM messages WHERE delivered IS NOT NULL AND created < ?", Args: []any{p.before}},
	)
}

// dropDocuments deletes a tenth of the documents: those that were last seen longest ago.
func (p pruning) dropDocuments(tx sqlite.Tx) (int64, error) {
	dropped, err := tx.Change(`DELETE FROM documents WHERE id IN (
		SELECT documents.id FROM documents LEFT JOIN spans ON document = documents.id
		WHERE documents.id NOT IN (
			SELECT document FROM spans WHERE id = (SELECT max(id) FROM spans) AND document IS NOT NULL
			UNION SELECT before FROM actions WHERE at >= ?1 AND before IS NOT NULL
			UNION SELECT after FROM actions WHERE at >= ?1 AND after IS NOT NULL)
		GROUP BY documents.id ORDER BY max(spans.id) LIMIT (SELECT count(*) / 10 + 1 FROM documents))`, p.recent())
	if err != nil || dropped == 0 {
		return 0, err
	}
	return dropped, tx.DoAll(
		"UPDATE spans SET document = NULL WHERE document NOT IN (SELECT id FROM documents)",
		"UPDATE actions SET before = NULL WHERE before NOT IN (SELECT id FROM documents)",
		"UPDATE actions SET after = NULL WHERE after NOT IN (SELECT id FROM documents)",
	)
}

// dropEntries deletes the oldest tenth of all other entries that may be deleted.
func (p pruning) dropEntries(tx sqlite.Tx) (int64, error) {
	return tx.ChangeAll(
		oldestTenth("spans", "id < (SELECT max(id) FROM spans)"),
		oldestTenth("standings", "resolved IS NOT NULL"),
		oldestTenth("actions", "at < ?", p.recent()),
		oldestTenth("messages", "delivered IS NOT NULL"),
	)
}

func oldestTenth(table, which string, args ...any) sqlite.Statement {
	query := fmt.Sprintf("DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE %[2]s ORDER BY id LIMIT (SELECT count(*) / 10 + 1 FROM %[1]s))", table, which)
	return sqlite.Statement{Query: query, Args: args}
}
