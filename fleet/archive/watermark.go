package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
)

// maxRanges bounds the ranges of a watermark. Of what is above the last one it says nothing.
const maxRanges = 64

// Watermark returns what the archive has of a source, signed, and the subject to publish it by.
// It is nil if the source was not enrolled.
func (a *Archive) Watermark(ctx context.Context, source fleet.Source, now time.Time) (subject string, statement []byte, err error) {
	from, err := source.Subject()
	if err != nil {
		return "", nil, err
	}
	id, err := a.identity(ctx, from, source)
	if err != nil || id == nil {
		return "", nil, err
	}
	d, err := a.shard(ctx, shardOf(source))
	if err != nil {
		return "", nil, err
	}
	w := fleet.Watermark{Source: source, Key: id.Key, Missing: []fleet.Range{}, At: now.UTC()}
	if err := d.View(ctx, func(tx sqlite.Tx) error { return mark(tx, from, id.Key, &w) }); err != nil {
		return "", nil, fmt.Errorf("read what the archive has of %s: %w", from, err)
	}
	if subject, err = fleet.StatementSubject(fleet.WatermarkKind, source); err != nil {
		return "", nil, err
	}
	statement, err = a.keys.Watermarks.Sign(fleet.WatermarkKind, source, w)
	return subject, statement, err
}

func mark(tx sqlite.Tx, subject string, key fleet.PublicKey, w *fleet.Watermark) error {
	c, err := chainOf(tx, subject, key)
	if err != nil {
		return err
	}
	w.Fork, w.Newest = c.fork, uint64(c.newest)
	gaps, err := missing(tx, c.id, maxRanges+1)
	if err != nil {
		return err
	}
	if len(gaps) > maxRanges {
		w.Newest = gaps[maxRanges].From - 1
		gaps = gaps[:maxRanges]
	}
	w.Missing = append(w.Missing, gaps...)
	w.Upto = w.Newest
	if len(gaps) > 0 {
		w.Upto = gaps[0].From - 1
	}
	var digest []byte
	err = tx.One("SELECT digest FROM envelopes WHERE chain = ? AND seq = ?", c.id, int64(w.Upto)).Scan(&digest)
	copy(w.Digest[:], digest)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return err
}

// unaccepted returns at most limit ranges that are missing and that no operator accepted, lowest
// first.
func unaccepted(tx sqlite.Tx, chain int64, limit int) ([]fleet.Range, error) {
	return sqlite.List(tx, scanRange, "SELECT first, last FROM gaps WHERE chain = ? AND accepted IS NULL ORDER BY first LIMIT ?", chain, limit)
}

// missing returns at most limit ranges that are missing, lowest first.
func missing(tx sqlite.Tx, chain int64, limit int) ([]fleet.Range, error) {
	return sqlite.List(tx, scanRange, "SELECT first, last FROM gaps WHERE chain = ? ORDER BY first LIMIT ?", chain, limit)
}

func scanRange(r sqlite.Row) (fleet.Range, error) {
	var first, last int64
	err := r.Scan(&first, &last)
	return fleet.Range{From: uint64(first), To: uint64(last)}, err
}
