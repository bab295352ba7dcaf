package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
)

// Waiting is what the hub does not have yet, as far as the account knows.
type Waiting struct {
	Confirmed   time.Time // of the last watermark that was read; zero: none was
	Reached     time.Time // when the hub last took or confirmed something; zero: never
	Audits      int64     // that are in no envelope yet
	Since       time.Time // the first of them, or when the last envelope was made; zero: no audits wait
	Unsent      int       // envelopes that the broker has to get, some of them again
	Unconfirmed int       // envelopes that the broker took, and of which the archive says nothing yet
}

// maxRounds bounds how much of the memory is counted, in times of 500 rows.
const maxRounds = 40

// ReadWaiting reads what waits, without the network and without the lock of [Open]: another process
// may be sending. It changes nothing.
func ReadWaiting(ctx context.Context, stateHome string, source fleet.Source, store *history.Store) (w Waiting, err error) {
	st, err := readWaiting(ctx, stateHome, source, &w)
	if err == nil && store != nil {
		err = w.count(ctx, store, st)
	}
	if err != nil {
		return Waiting{}, fmt.Errorf("read what waits for the hub: %w", err)
	}
	return w, nil
}

// readWaiting reads the spool. One that does not exist yet is empty.
func readWaiting(ctx context.Context, stateHome string, source fleet.Source, w *Waiting) (st state, err error) {
	subject, err := source.Subject()
	if err != nil {
		return st, err
	}
	d, err := sqlite.Open(ctx, Path(stateHome), true, func(ctx context.Context, d *sqlite.DB) error { return check(ctx, d, subject) })
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var marked, sent int64
	err = d.View(ctx, func(tx sqlite.Tx) error {
		if st, err = readState(tx); err != nil {
			return err
		}
		return tx.One(`SELECT marked, (SELECT coalesce(max(sent), 0) FROM outbox), (SELECT count(*) FROM outbox WHERE sent = 0),
			(SELECT count(*) FROM outbox WHERE sent > 0) FROM state`).Scan(&marked, &sent, &w.Unsent, &w.Unconfirmed)
	})
	if marked > 0 {
		w.Confirmed = sqlite.Moment(marked)
	}
	if last := max(marked, sent); last > 0 {
		w.Reached = sqlite.Moment(last)
	}
	return st, err
}

// count counts the audits of the memory that no envelope has.
func (w *Waiting) count(ctx context.Context, store *history.Store, st state) error {
	everything := func(string) (int64, error) { return 1, nil } // so that nothing is packed
	for range maxRounds {
		e, err := store.Export(ctx, st.cursor, everything, rooms[0])
		if err != nil {
			return err
		}
		spans := e.Shipment.Spans
		if w.Audits == 0 && len(spans) > 0 {
			w.Since = sqlite.Moment(spans[0].First)
		}
		if x := e.Shipment.Extended; x != nil {
			w.Audits, w.Since = w.Audits+x.Total-st.cursor.Total, st.sealed
		}
		for _, s := range spans {
			w.Audits += s.Count
		}
		if st.cursor = e.Cursor; !e.More || len(spans) == 0 {
			return nil
		}
	}
	return nil
}
