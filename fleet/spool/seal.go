package spool

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
)

// Host is what envelopes are made of.
type Host struct {
	fleet.Source
	Key     fleet.Key
	Store   *history.Store
	Boot    string // id of the boot (random(4)); "" is not known
	Program string // version of stackpolicy
	// Around, if not nil, adds to a beat what the memory does not know.
	Around func(*fleet.Beat)
}

// Envelope is one that is sealed.
type Envelope struct {
	Seq    uint64
	Sealed []byte
}

// Draft is what is to be sealed next.
type Draft struct {
	// IsDue reports whether something is new, or the source was silent for long.
	IsDue bool
	// IsBacklog reports whether there is more than one envelope has room for.
	IsBacklog bool

	exported history.Exported
	unsent   uint64   // envelopes that the broker or the archive lacks
	touched  []string // keys of numbers that are used, and were not for a day
}

const (
	day = 24 * time.Hour
	// keepNumbers is how long a number is known that is not used. The archive keeps what it
	// names for longer.
	keepNumbers = 30 * day
	// maxOutbox bounds the envelopes that the archive does not have yet. Where there are more,
	// what is new stays in the memory.
	maxOutbox = 200
)

// rooms are tried one after the other, if an envelope is too large.
var rooms = []history.Room{{Bytes: history.MaxPackedPart, Rows: 500}, {Bytes: history.MaxPackedPart, Rows: 50}, {Bytes: history.MaxPackedPart, Rows: 1}}

// ErrFull means that the archive lacks so many envelopes that no more are made.
var ErrFull = fmt.Errorf("the archive does not have the last %d envelopes yet: see on the hub whether the archive runs and has space", maxOutbox)

// Draft returns what would be sealed now. It changes nothing.
func (s *Spool) Draft(ctx context.Context, h Host, now time.Time) (Draft, error) {
	d, _, err := s.draft(ctx, h, now, rooms[0])
	return d, err
}

func (s *Spool) draft(ctx context.Context, h Host, now time.Time, room history.Room) (d Draft, st state, err error) {
	err = s.db.View(ctx, func(tx sqlite.Tx) error {
		var waiting int
		if st, err = readState(tx); err != nil {
			return err
		}
		if err := tx.One("SELECT count(*), count(*) FILTER (WHERE sent = 0) FROM outbox").Scan(&waiting, &d.unsent); err != nil {
			return err
		}
		if waiting >= maxOutbox {
			return ErrFull
		}
		d.exported, err = h.Store.Export(ctx, st.cursor, d.known(tx, now), room)
		return err
	})
	if err != nil {
		return d, st, fmt.Errorf("prepare an envelope: %w", err)
	}
	silence := now.Sub(st.sealed)
	d.IsDue = !d.exported.Shipment.IsMore() || silence >= pause || silence < 0
	d.IsBacklog = d.exported.More
	return d, st, nil
}

// known returns a [history.Known].
func (d *Draft) known(tx sqlite.Tx, now time.Time) history.Known {
	recently := sqlite.Stamp(now.Add(-day))
	return func(key string) (n int64, err error) {
		var used int64
		err = tx.One("SELECT number, used FROM numbers WHERE key = ?", key).Scan(&n, &used)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		if used < recently {
			d.touched = append(d.touched, key)
		}
		return n, err
	}
}

// SealBeat seals an envelope that says only how the host is.
func (s *Spool) SealBeat(ctx context.Context, h Host, now time.Time) (Envelope, error) {
	d, st, err := s.draft(ctx, h, now, rooms[0])
	if err != nil {
		return Envelope{}, err
	}
	return s.seal(ctx, h, now, st, Draft{unsent: d.unsent, exported: history.Exported{Cursor: st.cursor}})
}

// Seal seals the next envelope, and keeps it. More reports whether there is something for
// another one.
func (s *Spool) Seal(ctx context.Context, h Host, now time.Time) (e Envelope, more bool, err error) {
	for _, room := range rooms {
		var d Draft
		var st state
		if d, st, err = s.draft(ctx, h, now, room); err != nil {
			return e, false, err
		}
		e, err = s.seal(ctx, h, now, st, d)
		if !errors.Is(err, fleet.ErrTooLarge) {
			return e, d.IsBacklog, err
		}
	}
	return e, false, err
}

func (s *Spool) seal(ctx context.Context, h Host, now time.Time, st state, d Draft) (e Envelope, err error) {
	letter := fleet.Envelope{Source: h.Source, Seq: st.seq + 1, Prev: st.digest, At: now.UTC(), Boot: h.Boot, Program: h.Program}
	if letter.Beat, err = BeatOf(ctx, h.Store, now); err != nil {
		return e, err
	}
	letter.Beat.Audits, letter.Beat.Waiting = d.exported.Cursor.Total, d.unsent
	if h.Around != nil {
		h.Around(&letter.Beat)
	}
	if !d.exported.Shipment.IsEmpty() {
		if letter.Evidence, err = json.Marshal(d.exported.Shipment); err != nil {
			return e, fmt.Errorf("encode an envelope: %w", err)
		}
	}
	if e.Sealed, err = h.Key.Seal(letter); err != nil {
		return e, err
	}
	e.Seq = letter.Seq
	return e, s.keep(ctx, e, d, now)
}

// keep stores an envelope with the place in the memory up to which it goes: both, or nothing.
func (s *Spool) keep(ctx context.Context, e Envelope, d Draft, now time.Time) error {
	cursor, err := sqlite.Encode(d.exported.Cursor)
	if err != nil {
		return fmt.Errorf("keep an envelope: %w", err)
	}
	digest, at := fleet.DigestOf(e.Sealed), sqlite.Stamp(now)
	err = s.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		if err := tx.Do("INSERT INTO outbox (seq, sealed) VALUES (?, ?)", int64(e.Seq), e.Sealed); err != nil {
			return err
		}
		for _, n := range d.exported.Numbered {
			if err := tx.Do("INSERT OR REPLACE INTO numbers (key, number, used) VALUES (?, ?, ?)", n.Key, n.Number, at); err != nil {
				return err
			}
		}
		for _, key := range d.touched {
			if err := tx.Do("UPDATE numbers SET used = ? WHERE key = ?", at, key); err != nil {
				return err
			}
		}
		if err := tx.Do("DELETE FROM numbers WHERE used < ?", sqlite.Stamp(now.Add(-keepNumbers))); err != nil {
			return err
		}
		return tx.ChangeOne("UPDATE state SET seq = ?, digest = ?, cursor = ?, sealed = ? WHERE seq = ?", int64(e.Seq), digest[:], cursor, at, int64(e.Seq)-1)
	})
	if err != nil {
		return fmt.Errorf("keep an envelope: %w", err)
	}
	return nil
}
