package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"stackpolicy/internal/sqlite"
)

const (
	applicationID = 0x73706172 // "spar"
	version       = 1
	// pageSize leaves a twentieth of the pages unused, where envelopes of 1.5 kB leave a quarter
	// of SQLite's default.
	pageSize = 16 << 10
)

// A chain is what one key of a source signed: a source that is enrolled again begins another.
// Times are nanoseconds since 1970, by the hub's clock where it received something.
const tables = `
CREATE TABLE identities (subject TEXT PRIMARY KEY, statement BLOB NOT NULL) STRICT;
CREATE TABLE chains (
	id INTEGER PRIMARY KEY, subject TEXT NOT NULL, key BLOB NOT NULL, enrolled INTEGER NOT NULL,
	newest INTEGER NOT NULL DEFAULT 0,   -- the highest number that is kept
	at INTEGER NOT NULL DEFAULT 0,       -- the latest time that the source named
	received INTEGER NOT NULL DEFAULT 0, -- when the newest arrived
	head TEXT NOT NULL DEFAULT '{}',     -- what the newest says, without its rows
	fork TEXT NOT NULL DEFAULT '', clock TEXT NOT NULL DEFAULT '', refused INTEGER NOT NULL DEFAULT 0,
	refusal TEXT NOT NULL DEFAULT '',    -- why the last one was refused
	applied INTEGER NOT NULL DEFAULT 0,  -- up to here envelopes are in the memory
	view TEXT NOT NULL DEFAULT '{}',     -- what the memory says then
	lost INTEGER NOT NULL DEFAULT 0,     -- audits that the host forgot before it could send them
	UNIQUE (subject, key)
) STRICT;
CREATE TABLE envelopes (
	chain INTEGER NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, prev BLOB NOT NULL, at INTEGER NOT NULL,
	received INTEGER NOT NULL, resets INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (chain, seq)
) STRICT;
CREATE INDEX envelopes_resets ON envelopes (chain, seq) WHERE resets = 1;
CREATE TABLE gaps (chain INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	accepted INTEGER, -- when an operator accepted that it is lost
	PRIMARY KEY (chain, first)) STRICT;
CREATE TABLE forks (chain INTEGER NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, received INTEGER NOT NULL,
	sealed BLOB NOT NULL, PRIMARY KEY (chain, seq, digest)) STRICT;
CREATE TABLE generations (chain INTEGER NOT NULL, began INTEGER NOT NULL, span INTEGER NOT NULL, finding INTEGER NOT NULL,
	action INTEGER NOT NULL, PRIMARY KEY (chain, began)) STRICT;
CREATE TABLE aliases (chain INTEGER NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, id INTEGER NOT NULL,
	PRIMARY KEY (chain, kind, number)) STRICT;
`

func create(ctx context.Context, path string) error {
	return sqlite.Create(ctx, path, pageSize, func(tx sqlite.Tx) error {
		return tx.Do(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version) + tables)
	})
}

// check returns an error for a database that is not a shard of an archive.
func check(ctx context.Context, d *sqlite.DB) error {
	var id, found int
	err := d.View(ctx, func(tx sqlite.Tx) error {
		return tx.One("SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").Scan(&id, &found)
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
	}
	return nil
}
