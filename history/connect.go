package history

import (
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

// database is the file of the history, open.
type database struct {
	sql      *sql.DB
	path     string
	readOnly bool
	old      bool // of version 1, opened read-only
}

// connect opens the file, after it checked its owner, and checks its content.
func (d *database) connect(ctx context.Context) error {
	if err := ownFile(d.path); err != nil {
		return err
	}
	if err := d.writable(); err != nil {
		return err
	}
	why, err := marked(d.path)
	if err != nil {
		return err
	}
	if why != "" {
		return &unusableError{why}
	}
	if err := d.dial(d.access()...); err != nil {
		return err
	}
	err = d.check(ctx)
	if err == nil && !d.readOnly {
		err = d.update(ctx, func(call) error { return nil }) // checks that no other process keeps it locked
	}
	if err != nil {
		_ = d.sql.Close() // err says more
		return err
	}
	return nil
}

// writable checks that the file can be written. SQLite would open it read-only
// without an error.
func (d *database) writable() error {
	if d.readOnly {
		return nil
	}
	if err := unix.Faccessat(unix.AT_FDCWD, d.path, unix.W_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("it cannot be written: %w", err)
	}
	return nil
}

// access returns the options to open the file with. SQLite cannot read a database
// in WAL mode without writing beside it, except as an immutable one
// (sqlite.org/wal.html#read_only_databases). It is immutable in a folder that
// cannot be written, if there is no log left to read.
func (d *database) access() []string {
	if !d.readOnly {
		return []string{"mode", "rw"}
	}
	_, err := os.Lstat(d.path + beside[0])
	if err != nil && unix.Access(filepath.Dir(d.path), unix.W_OK) != nil {
		return []string{"mode", "ro", "immutable", "1"}
	}
	return []string{"mode", "ro"}
}

// dial opens the file as a database, with these options. Its schema must have no side
// effects, because somebody else may have written the file (sqlite.org/security.html).
func (d *database) dial(options ...string) (err error) {
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
	absolute, err := filepath.Abs(d.path)
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

// view reads in one transaction, so that everything is from the same moment.
func (d *database) view(ctx context.Context, work func(call) error) error {
	return d.within(ctx, "", &sql.TxOptions{ReadOnly: true}, work)
}

// update writes in one transaction. After a power failure the whole transaction may be
// missing.
func (d *database) update(ctx context.Context, work func(call) error) error {
	return d.within(ctx, "PRAGMA synchronous = NORMAL", nil, work)
}

// updateNow writes in one transaction that is on disk when it returns.
func (d *database) updateNow(ctx context.Context, work func(call) error) error {
	return d.within(ctx, "PRAGMA synchronous = FULL", nil, work)
}

func (d *database) within(ctx context.Context, first string, options *sql.TxOptions, work func(call) error) error {
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
	if err = work(call{ctx, tx}); err != nil {
		_ = tx.Rollback() // if that fails too, the connection is closed, which ends the transaction
		return d.explain(err)
	}
	return d.explain(tx.Commit())
}

// explain adds to an error what a person can do. It marks a damaged history, so that the next
// Open renames it.
func (d *database) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case isDamage(err) && !d.readOnly:
		if marking := mark(d.path, err.Error()); marking != nil {
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

// errDamaged means that this package did not write this content.
var errDamaged = errors.New("its content is damaged")

func isDamage(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB || errors.Is(err, errDamaged)
}

// code returns SQLite's primary result code (sqlite.org/rescode.html); 0 for other errors.
func code(err error) int { return extended(err) & 0xff }

// extended returns SQLite's extended result code.
func extended(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
