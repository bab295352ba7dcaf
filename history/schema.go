package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackpolicy/internal/sqlite"
)

const (
	// applicationID marks the file as ours (PRAGMA application_id): "spol".
	applicationID = 0x73706f6c
	// version of the tables below (PRAGMA user_version).
	version = 3
)

// Times are nanoseconds since 1970. Ids that are referenced from outside (findings,
// actions, messages) are AUTOINCREMENT. A document is a list of parts, each stored
// once: first everything but the units, then each unit. A span is a series of audits
// with the same result.
const tables = `
CREATE TABLE origin (began INTEGER NOT NULL) STRICT;
CREATE TABLE parts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL) STRICT;
CREATE TABLE documents (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, parts TEXT NOT NULL) STRICT;
CREATE TABLE spans (
	id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
	total INTEGER NOT NULL, -- audits since the memory began, up to the span's last
	mode TEXT NOT NULL, exit_code INTEGER NOT NULL, policy TEXT NOT NULL,
	document INTEGER,       -- NULL: no longer kept
	gaps TEXT NOT NULL, duration_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX spans_last ON spans (last);
CREATE TABLE standings (
	id INTEGER PRIMARY KEY AUTOINCREMENT, finding TEXT NOT NULL, since INTEGER NOT NULL,
	seen INTEGER,           -- NULL: by the last audit
	resolved INTEGER        -- NULL: it is open
) STRICT;
CREATE INDEX standings_resolved ON standings (resolved);
CREATE TABLE actions (
	id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
	reasons TEXT NOT NULL, status TEXT NOT NULL, healed INTEGER, message TEXT NOT NULL DEFAULT '',
	duration_ms INTEGER NOT NULL DEFAULT 0, before INTEGER, after INTEGER
) STRICT;
CREATE INDEX actions_at ON actions (at);
CREATE TABLE breakers (subject TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE forgiven (subject TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT; -- up to then, what was done counts to no budget
CREATE TABLE loads (unit TEXT PRIMARY KEY, loaded_at INTEGER NOT NULL, files TEXT NOT NULL) STRICT;
CREATE TABLE messages (
	id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
	standing INTEGER NOT NULL, body BLOB NOT NULL, created INTEGER NOT NULL, next INTEGER NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', delivered INTEGER,
	UNIQUE (sink, key)
) STRICT;
CREATE INDEX messages_due ON messages (sink, id) WHERE delivered IS NULL;
CREATE INDEX messages_standing ON messages (standing, sink);
CREATE TABLE drops (sink TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
` + exemptions + rules

// exemptions came with version 2, as did what a message says. The invariant of a
// hold is empty.
const exemptions = `
ALTER TABLE messages ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
CREATE TABLE exemptions (
	subject TEXT NOT NULL, invariant TEXT NOT NULL, reason TEXT NOT NULL, owner TEXT NOT NULL,
	since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (subject, invariant)
) STRICT;
`

// rules came with version 3: the files of policies by their digest, and of each audit a
// digest of what they decided.
const rules = `
ALTER TABLE spans ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
CREATE TABLE rules (digest TEXT PRIMARY KEY, files BLOB NOT NULL) STRICT;
`

// upgrades has what each version adds to the one before, from version 2 on.
var upgrades = []string{exemptions, rules}

// tableCount is the number of tables, including SQLite's own for AUTOINCREMENT. Each version
// has added one.
const tableCount = 14

// create creates the tables. If the process is killed, all of them exist or none.
func create(ctx context.Context, path string, now time.Time) error {
	return sqlite.Create(ctx, path, 0, func(tx sqlite.Tx) error {
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version)
		if err := tx.Do(marks + tables); err != nil {
			return err
		}
		return tx.Do("INSERT INTO origin VALUES (?)", sqlite.Stamp(now))
	})
}

// errBlank says that the database has no tables yet: the process that created it
// was killed.
var errBlank = errors.New("nothing is in it yet")

// check returns an error for a database that is empty, damaged, of another program, or of
// another version. It returns the database's version. One of an older version is upgraded,
// unless it is opened read-only.
func check(ctx context.Context, d *sqlite.DB) (found int, err error) {
	var id, count int
	err = d.View(ctx, func(tx sqlite.Tx) error {
		return tx.One(`SELECT application_id, user_version,
			(SELECT count(*) FROM sqlite_schema WHERE type = 'table')
			FROM pragma_application_id, pragma_user_version`).Scan(&id, &found, &count)
	})
	switch {
	case sqlite.IsDamage(err):
		return 0, &sqlite.UnusableError{Why: err.Error()}
	case err != nil:
		return 0, err
	case id == 0 && found == 0 && count == 0:
		return 0, errBlank
	case id != applicationID:
		return 0, &sqlite.UnusableError{Why: "it is another program's database"}
	case found < 1 || found > version:
		return 0, &sqlite.UnusableError{Why: fmt.Sprintf("its version is %d, and this program knows %d", found, version)}
	case count != tableCount-(version-found):
		return 0, &sqlite.UnusableError{Why: "tables are missing in it"}
	case found == version || d.ReadOnly:
		return found, nil
	}
	return version, upgrade(ctx, d)
}

// upgrade adds what an older version lacks.
func upgrade(ctx context.Context, d *sqlite.DB) error {
	return d.Update(ctx, func(tx sqlite.Tx) error {
		var found int // another process may have been first
		if err := tx.One("PRAGMA user_version").Scan(&found); err != nil || found < 1 || found >= version {
			return err
		}
		return tx.Do(strings.Join(upgrades[found-1:], "") + fmt.Sprintf("PRAGMA user_version = %d;", version))
	})
}
