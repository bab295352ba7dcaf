package spool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
)

// again is after how long an envelope is sent again that the broker took, and of which the
// archive says nothing.
const again = time.Hour

// ErrCloned means that the hub has envelopes of this source that were not made here.
var ErrCloned = errors.New("the hub has evidence of this source that was not made here: its state was restored from a copy, or another host has its key; " +
	"nothing is sent; revoke it on the hub and enroll this host again")

// Acknowledge forgets what the archive has by its watermark. What the archive lost and is no
// longer here is given up: everything that the memory has is then sent again.
func (s *Spool) Acknowledge(ctx context.Context, w fleet.Watermark) error {
	err := s.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		st, err := readState(tx)
		if err != nil {
			return err
		}
		if !isSensible(w) {
			return errSenseless
		}
		if w.Fork != "" || w.Newest > st.seq {
			return ErrCloned
		}
		if w.At.Before(st.marked) && w.Newest <= st.newest {
			return nil // an old one, by a broker that repeats it
		}
		if err := tx.Do("UPDATE state SET marked = ?, newest = ?", sqlite.Stamp(w.At), int64(w.Newest)); err != nil {
			return err
		}
		if err := sameEnvelope(tx, w); err != nil {
			return err
		}
		missing := append(slices.Clone(w.Missing), fleet.Range{From: w.Newest + 1, To: st.seq})
		lost, err := lostAmong(tx, missing, st.givenUp)
		if err != nil {
			return err
		}
		if lost > st.givenUp {
			if err := sendAllAgain(tx, st, lost); err != nil {
				return err
			}
		}
		return forget(tx, w)
	})
	if err != nil {
		return fmt.Errorf("take what the archive has: %w", err)
	}
	return nil
}

var errSenseless = errors.New("the hub says something about it that cannot be: see whether it runs the newest stackfleet")

// isSensible reports whether ranges rise and are below the newest. A hub that is not the one that
// the host was enrolled at could name numbers that no envelope has.
func isSensible(w fleet.Watermark) bool {
	last := uint64(0)
	for _, r := range w.Missing {
		if r.From <= last || r.To < r.From {
			return false
		}
		last = r.To
	}
	return last <= w.Newest && w.Upto <= w.Newest && w.Newest < math.MaxInt64
}

// sameEnvelope compares the envelope that a watermark names with that which is kept here.
func sameEnvelope(tx sqlite.Tx, w fleet.Watermark) error {
	kept, err := sqlite.List(tx, scanEnvelope, "SELECT seq, sealed FROM outbox WHERE seq = ?", int64(w.Upto))
	if err == nil && len(kept) == 1 && fleet.DigestOf(kept[0].Sealed) != w.Digest {
		err = ErrCloned
	}
	return err
}

func scanEnvelope(r sqlite.Row) (e Envelope, err error) {
	var seq int64
	err = r.Scan(&seq, &e.Sealed)
	e.Seq = uint64(seq)
	return e, err
}

// lostAmong returns the highest number that the archive does not have and that is not kept
// here, above those that were given up; 0 is none.
func lostAmong(tx sqlite.Tx, missing []fleet.Range, givenUp uint64) (lost uint64, err error) {
	for _, r := range missing {
		from := max(r.From, givenUp+1)
		if r.To < from {
			continue
		}
		var kept int64
		err := tx.One("SELECT count(*) FROM outbox WHERE seq BETWEEN ? AND ?", int64(from), int64(r.To)).Scan(&kept)
		if err != nil {
			return 0, err
		}
		if uint64(kept) < r.To-from+1 { // envelopes are forgotten in any order: take the range as a whole
			lost = max(lost, r.To)
		}
	}
	return lost, nil
}

func sendAllAgain(tx sqlite.Tx, st state, lost uint64) error {
	cursor, err := sqlite.Encode(st.cursor.Again())
	if err != nil {
		return err
	}
	if err := tx.Do("UPDATE state SET cursor = ?, given_up = ?, sealed = 0", cursor, int64(lost)); err != nil {
		return err
	}
	return tx.Do("DELETE FROM numbers")
}

// forget deletes what is in the archive.
func forget(tx sqlite.Tx, w fleet.Watermark) error {
	from := uint64(1)
	for _, r := range append(slices.Clone(w.Missing), fleet.Range{From: w.Newest + 1, To: w.Newest}) {
		if err := tx.Do("DELETE FROM outbox WHERE seq >= ? AND seq < ?", int64(from), int64(r.From)); err != nil {
			return err
		}
		if err := tx.Do("UPDATE outbox SET sent = 0 WHERE seq BETWEEN ? AND ?", int64(r.From), int64(r.To)); err != nil {
			return err
		}
		from = r.To + 1
	}
	return nil
}

// Unsent returns at most limit envelopes to send, oldest first: those that no broker took, that
// the archive lacks, or of which it has said nothing for an hour.
func (s *Spool) Unsent(ctx context.Context, now time.Time, limit int) (list []Envelope, err error) {
	err = s.db.View(ctx, func(tx sqlite.Tx) (err error) {
		list, err = sqlite.List(tx, scanEnvelope, "SELECT seq, sealed FROM outbox WHERE sent < ? OR sent > ? ORDER BY seq LIMIT ?",
			sqlite.Stamp(now.Add(-again)), sqlite.Stamp(now.Add(day)), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the envelopes to send: %w", err)
	}
	return list, nil
}

// Sent notes that the broker took an envelope.
func (s *Spool) Sent(ctx context.Context, seq uint64, now time.Time) error {
	err := s.db.Update(ctx, func(tx sqlite.Tx) error {
		return tx.Do("UPDATE outbox SET sent = ? WHERE seq = ?", sqlite.Stamp(now), int64(seq))
	})
	if err != nil {
		return fmt.Errorf("note that an envelope was sent: %w", err)
	}
	return nil
}
