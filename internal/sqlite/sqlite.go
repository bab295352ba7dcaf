// Package sqlite keeps a SQLite database in a file of the user's own. It trusts neither the
// file's owner nor its content, bounds every call, and says what a person can do about an error.
//
// Start at [Open], [DB.View] and [DB.Update].
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// patience is how long a call waits for another process's lock.
	patience = 2 * time.Second
	// callLimit bounds a whole call, for example on a disk that hangs.
	callLimit = 10 * time.Second
)

// DB is an open database. Several processes may have it open.
type DB struct {
	Path     string
	ReadOnly bool

	sql *sql.DB
}

// UnusableError says that the file is damaged, or not a database of this program. It can be
// renamed with [SetAside].
type UnusableError struct{ Why string }

func (e *UnusableError) Error() string { return e.Why }

// Open opens the database, after it checked the file's owner. It calls check for its content,
// and closes the database again if that returns an error. An [UnusableError] is a database
// that was marked as damaged.
func Open(ctx context.Context, path string, readOnly bool, check func(context.Context, *DB) error) (*DB, error) {
	d := &DB{Path: path, ReadOnly: readOnly}
	if err := ownFile(path); err != nil {
		return nil, err
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	why, err := marked(path)
	if err != nil {
		return nil, err
	}
	if why != "" {
		return nil, &UnusableError{why}
	}
	if err := d.dial(d.access()...); err != nil {
		return nil, err
	}
	err = check(ctx, d)
	if err == nil && !readOnly {
		err = d.Update(ctx, func(Tx) error { return nil }) // checks that no other process keeps it locked
	}
	if err != nil {
		_ = d.sql.Close() // err says more
		return nil, err
	}
	return d, nil
}

// Create creates the database if the file does not exist or is blank, and fills it in one
// transaction: if the process is killed, all is there or nothing. Its pages have so many bytes; 0
// is SQLite's default, 4096. Rows that nearly fill a page of that leave much of it unused.
func Create(ctx context.Context, path string, page int, fill func(Tx) error) error {
	if err := createFile(path); err != nil {
		return err
	}
	d := &DB{Path: path}
	if err := d.dial(); err != nil {
		return err
	}
	// The first of them that writes fixes the size of pages.
	_, err := d.sql.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", cmp.Or(page, 4096)))
	if err == nil {
		err = d.Update(ctx, fill)
	}
	if closing := d.sql.Close(); err == nil {
		err = closing
	}
	return err
}

// Close closes the database.
func (d *DB) Close() error { return d.sql.Close() }

// writable checks that the file can be written. SQLite would open it read-only
// without an error.
func (d *DB) writable() error {
	if d.ReadOnly {
		return nil
	}
	if err := unix.Faccessat(unix.AT_FDCWD, d.Path, unix.W_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("it cannot be written: %w", err)
	}
	return nil
}

// access returns the options to open the file with. SQLite cannot read a database
// in WAL mode without writing beside it, except as an immutable one
// (sqlite.org/wal.html#read_only_databases). It is immutable in a folder that
// cannot be written, if there is no log left to read.
func (d *DB) access() []string {
	if !d.ReadOnly {
		return []string{"mode", "rw"}
	}
	_, err := os.Lstat(d.Path + beside[0])
	if err != nil && unix.Access(filepath.Dir(d.Path), unix.W_OK) != nil {
		return []string{"mode", "ro", "immutable", "1"}
	}
	return []string{"mode", "ro"}
}

// dial opens the file as a database, with these options. Its schema must have no side
// effects, because somebody else may have written the file (sqlite.org/security.html).
func (d *DB) dial(options ...string) (err error) {
	q := url.Values{
		"_busy_timeout": {fmt.Sprint(patience.Milliseconds())},
		"_txlock":       {"immediate"},
		"_defensive":    {"1"},
		"_error_rc":     {"1"},
		"_pragma":       {"trusted_schema(0)", "cell_size_check(1)", "journal_size_limit(1048576)", "temp_store(2)"},
	}
	for i := 0; i+1 < len(options); i += 2 {
		q.Set(options[i], options[i+1])
	}
	absolute, err := filepath.Abs(d.Path)
	if err != nil {
		return err
	}
	name := url.URL{Scheme: "file", Path: absolute, RawQuery: q.Encode()}
	if d.sql, err = sql.Open("sqlite", name.String()); err != nil {
		return err
	}
	d.sql.SetMaxOpenConns(1)
	return nil
}

// View reads in one transaction, so that everything is from the same moment.
func (d *DB) View(ctx context.Context, work func(Tx) error) error {
	return d.within(ctx, "", &sql.TxOptions{ReadOnly: true}, work)
}

// Update writes in one transaction. After a power failure the whole transaction may be
// missing.
func (d *DB) Update(ctx context.Context, work func(Tx) error) error {
	return d.within(ctx, "PRAGMA synchronous = NORMAL", nil, work)
}

// UpdateNow writes in one transaction that is on disk when it returns.
func (d *DB) UpdateNow(ctx context.Context, work func(Tx) error) error {
	return d.within(ctx, "PRAGMA synchronous = FULL", nil, work)
}

func (d *DB) within(ctx context.Context, first string, options *sql.TxOptions, work func(Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	conn, err := d.sql.Conn(ctx)
	if err != nil {
		return d.explain(err)
	}
	defer conn.Close()
	if first != "" {
		if _, err := conn.ExecContext(ctx, first); err != nil {
			return d.explain(err)
		}
	}
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return d.explain(err)
	}
	if err = work(newTx(ctx, tx)); err != nil {
		_ = tx.Rollback() // if that fails too, the connection is closed, which ends the transaction
		return d.explain(err)
	}
	return d.explain(tx.Commit())
}

// Shrink frees unused pages on disk. If other processes are reading, the file shrinks later.
func (d *DB) Shrink(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	for _, pragma := range []string{"PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := d.sql.ExecContext(ctx, pragma); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// Size returns the size of the file, after all changes were written to it.
func (d *DB) Size(ctx context.Context) (bytes int64, err error) {
	err = d.View(ctx, func(t Tx) error {
		return t.One("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&bytes)
	})
	return bytes, err
}

// explain adds to an error what a person can do. It marks a damaged database, so that
// the next [Open] refuses it.
func (d *DB) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case IsDamage(err) && !d.ReadOnly:
		if marking := mark(d.Path, err.Error()); marking != nil {
			return fmt.Errorf("%w; it cannot be marked for setting aside: %w", err, marking)
		}
		return fmt.Errorf("%w; the next one to open it sets it aside", err)
	}
	if extended(err) == sqlite3.SQLITE_IOERR_SHMSIZE { // of the -shm file
		return fmt.Errorf("no space is left on its disk: %w", err)
	}
	switch code(err) {
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another process has held it for %s: %w", patience, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("no space is left on its disk: %w", err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("it cannot be written: %w", err)
	}
	return err
}

// ErrDamaged means that this program did not write this content.
var ErrDamaged = errors.New("its content is damaged")

// IsDamage reports whether the error says that the content is damaged.
func IsDamage(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB || errors.Is(err, ErrDamaged)
}

// IsUnfinished reports whether a process was killed during the first write to the database, the
// only one without WAL, and it is opened read-only, so that this cannot be undone.
func IsUnfinished(err error) bool { return extended(err) == sqlite3.SQLITE_READONLY_ROLLBACK }

// code returns SQLite's primary result code (sqlite.org/rescode.html); 0 for other errors.
func code(err error) int { return extended(err) & 0xff }

// extended returns SQLite's extended result code.
func extended(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
