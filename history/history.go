// Package history remembers what audits found and did, in one SQLite file in the
// user's state folder: which findings are open since when, which heals were tried,
// what the manager is known to have loaded, which alerts still have to be sent.
//
// An audit may be killed at any time. Each of its writes is then complete or
// absent, and an action that it began counts as tried.
//
// Start at [Open], [Store.Recall] and [Store.Record].
package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"stackpolicy/internal/lock"
)

// Store is the open history. Its methods may be called from several goroutines,
// and several processes may have it open; each call waits for others for two
// seconds at most.
type Store struct {
	AuditLog
	ActionLog
	Exemptions
	Outbox

	db     *database
	notice string
}

// AuditLog remembers audits: what each found, and with which facts.
type AuditLog struct{ db *database }

// ActionLog remembers actions, and breakers.
type ActionLog struct{ db *database }

// Exemptions remembers waivers and holds.
type Exemptions struct{ db *database }

// Outbox keeps alerts until they are delivered.
type Outbox struct{ db *database }

func newStore(d *database) *Store {
	return &Store{AuditLog: AuditLog{d}, ActionLog: ActionLog{d}, Exemptions: Exemptions{d}, Outbox: Outbox{d}, db: d}
}

// Path returns the path of the history below stateHome ($XDG_STATE_HOME).
func Path(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "history.db") }

// Open opens the history below stateHome, and creates it if it does not exist. A
// damaged history, or one of an unknown version, is renamed to history.db.damaged-TIME, of
// which the newest three are kept; [Store.Notice] then says so. It is an error if the history
// is locked for long, cannot be written, or can be written by others.
func Open(ctx context.Context, stateHome string, now time.Time) (*Store, error) {
	path := Path(stateHome)
	err := ownFolder(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	s, err := open(ctx, path)
	if needsNew(err) {
		s, err = begin(ctx, path, now)
	}
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", path, err)
	}
	return s, nil
}

// OpenReadOnly opens the history read-only. It never creates, repairs or renames a file. If
// there is no history the error is [fs.ErrNotExist]. A damaged history, or one of an unknown
// version, is an error too.
func OpenReadOnly(ctx context.Context, stateHome string) (*Store, error) {
	path := Path(stateHome)
	d := &database{path: path, readOnly: true}
	err := d.connect(ctx)
	if errors.Is(err, errBlank) || extended(err) == sqlite3.SQLITE_READONLY_ROLLBACK {
		err = fs.ErrNotExist // a process was killed during the first write, the only one without WAL
	}
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", path, err)
	}
	return newStore(d), nil
}

// Notice returns a line for a person if Open had to repair something, otherwise "".
func (s *Store) Notice() string { return s.notice }

// Close closes the history.
func (s *Store) Close() error {
	if err := s.db.sql.Close(); err != nil {
		return fmt.Errorf("close the history: %w", err)
	}
	return nil
}

func open(ctx context.Context, path string) (*Store, error) {
	d := &database{path: path}
	return newStore(d), d.connect(ctx)
}

// begin creates a history, and renames a file that cannot be used. It takes a lock, so that
// it does not rename a history that another process has just created.
func begin(ctx context.Context, path string, now time.Time) (*Store, error) {
	release, err := lock.Take(strings.TrimSuffix(path, ".db")+".lock", now)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := open(ctx, path)
	if !needsNew(err) {
		return s, err
	}
	notice := ""
	if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
		aside, err := setAside(path, now)
		if err != nil {
			return nil, fmt.Errorf("set aside what cannot be used (%w): %w", unusable, err)
		}
		notice = fmt.Sprintf("the history could not be used (%s), so a new one was created; the old one is kept as %s", unusable.why, aside)
	}
	if err := create(ctx, path, now); err != nil {
		return nil, fmt.Errorf("begin it: %w", err)
	}
	s, err = open(ctx, path)
	s.notice = notice
	return s, err
}

// needsNew reports whether there is no history or it cannot be used.
func needsNew(err error) bool {
	unusable := (*unusableError)(nil)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errBlank) || errors.As(err, &unusable)
}
