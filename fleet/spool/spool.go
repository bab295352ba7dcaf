// Package spool turns what the memory of a host got into envelopes, and keeps those that are not
// in the archive yet. The memory itself is what waits: rows become envelopes only when they can be
// sent. Everything is in fleet.db beside the memory.
//
// Start at [Open], [Spool.Acknowledge] and [Spool.Seal].
package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/sqlite"
)

// Spool is the open spool. One process has it at a time; use it from one goroutine.
type Spool struct {
	db      *sqlite.DB
	release func()
}

const (
	applicationID = 0x73706673 // "spfs"
	version       = 1
)

// tables: what is known of the chain and of what was sent; the envelopes that the archive does not
// have yet; the numbers of what was sent (see [history.Shipment]).
const tables = `
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), source TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL,
	cursor TEXT NOT NULL, sealed INTEGER NOT NULL, given_up INTEGER NOT NULL DEFAULT 0,
	marked INTEGER NOT NULL DEFAULT 0, newest INTEGER NOT NULL DEFAULT 0) STRICT; -- the last watermark
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, sealed BLOB NOT NULL, sent INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE numbers (key TEXT PRIMARY KEY, number INTEGER NOT NULL, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

// Path returns the path of the spool below stateHome ($XDG_STATE_HOME).
func Path(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "fleet.db") }

// PutAside renames the spool to *.old, for a chain by another key: that one begins with all that
// the memory has. It is no error if there is none.
func PutAside(stateHome string, now time.Time) error {
	path := Path(stateHome)
	release, err := lock.Take(path+".lock", now)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the old spool aside: %w", err)
	}
	defer release()
	for _, end := range []string{"", "-wal", "-shm"} { // as SQLite names them
		if err := os.Rename(path+end, path+".old"+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the old spool aside: %w", err)
		}
	}
	return nil
}

// Open opens the spool of a source below stateHome, and creates it. If another process has it,
// the error is a [*lock.HeldError]. A spool that is damaged, or of another source, is an error:
// the chain cannot be continued, and the host has to be enrolled again.
func Open(ctx context.Context, stateHome string, source fleet.Source, now time.Time) (*Spool, error) {
	path := Path(stateHome)
	release, err := lock.Take(path+".lock", now)
	if err != nil {
		return nil, fmt.Errorf("open the spool: %w", err)
	}
	d, err := open(ctx, path, source, now)
	if err != nil {
		release()
		return nil, fmt.Errorf("open the spool %s: %w", path, err)
	}
	return &Spool{d, release}, nil
}

func open(ctx context.Context, path string, source fleet.Source, now time.Time) (*sqlite.DB, error) {
	subject, err := source.Subject()
	if err != nil {
		return nil, err
	}
	check := func(ctx context.Context, d *sqlite.DB) error { return check(ctx, d, subject) }
	d, err := sqlite.Open(ctx, path, false, check)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(ctx, path, subject); err == nil {
			d, err = sqlite.Open(ctx, path, false, check)
		}
	}
	return d, err
}

func create(ctx context.Context, path, subject string) error {
	return sqlite.Create(ctx, path, 0, func(tx sqlite.Tx) error {
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version)
		if err := tx.Do(marks + tables); err != nil {
			return err
		}
		var none fleet.Digest
		return tx.Do("INSERT INTO state (id, source, seq, digest, cursor, sealed) VALUES (1, ?, 0, ?, '{}', 0)", subject, none[:])
	})
}

// check returns an error for a database that is not the spool of the source.
func check(ctx context.Context, d *sqlite.DB, subject string) error {
	var id, found int
	var of string
	err := d.View(ctx, func(tx sqlite.Tx) error {
		err := tx.One("SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").Scan(&id, &found)
		if err != nil || id != applicationID || found != version {
			return err
		}
		return tx.One("SELECT source FROM state").Scan(&of)
	})
	switch {
	case err != nil:
		return err
	case id == 0 && found == 0:
		return fs.ErrNotExist // a process was killed before it had created it
	case id != applicationID:
		return errors.New("it is another program's database")
	case found != version:
		return fmt.Errorf("its version is %d, and this program knows %d", found, version)
	case of != subject:
		return fmt.Errorf("it is of %s, and this is %s: enroll this host again", of, subject)
	}
	return nil
}

// Close closes the spool.
func (s *Spool) Close() error {
	defer s.release()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the spool: %w", err)
	}
	return nil
}

// state is where the chain ends, and what was sent.
type state struct {
	seq     uint64
	digest  fleet.Digest
	cursor  history.Cursor
	sealed  time.Time // zero is never
	givenUp uint64    // what the archive lost up to here is no longer kept
	marked  time.Time // of the last watermark
	newest  uint64    // of the last watermark
}

func readState(tx sqlite.Tx) (st state, err error) {
	var digest []byte
	var cursor string
	var sealed, marked int64
	err = tx.One("SELECT seq, digest, cursor, sealed, given_up, marked, newest FROM state").
		Scan(&st.seq, &digest, &cursor, &sealed, &st.givenUp, &marked, &st.newest)
	if err != nil {
		return st, err
	}
	copy(st.digest[:], digest)
	st.marked = sqlite.Moment(marked)
	if sealed > 0 {
		st.sealed = sqlite.Moment(sealed)
	}
	return st, sqlite.Decode(cursor, &st.cursor)
}
