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
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/sqlite"
)

// Store is the open history. Its methods may be called from several goroutines,
// and several processes may have it open; each call waits for others for two
// seconds at most.
type Store struct {
	AuditLog
	ActionLog
	Exemptions
	Outbox

	db     *sqlite.DB
	isNew  bool
	notice string
}

// AuditLog remembers audits: what each found, and with which facts.
type AuditLog struct {
	db      *sqlite.DB
	version int // older than the present one only if it was opened read-only
}

// ActionLog remembers actions, and breakers.
type ActionLog struct{ db *sqlite.DB }

// Exemptions remembers waivers and holds.
type Exemptions struct{ db *sqlite.DB }

// Outbox keeps alerts until they are delivered.
type Outbox struct{ db *sqlite.DB }

func newStore(d *sqlite.DB, version int) *Store {
	return &Store{AuditLog: AuditLog{d, version}, ActionLog: ActionLog{d}, Exemptions: Exemptions{d}, Outbox: Outbox{d}, db: d}
}

// Path returns the path of the history below stateHome ($XDG_STATE_HOME).
func Path(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "history.db") }

// Open opens the history below stateHome, and creates it if it does not exist. A
// damaged history, or one of an unknown version, is renamed to history.db.damaged-TIME, of
// which the newest three are kept; [Store.Notice] then says so, and also if there was a
// history and it is gone. It is an error if the history
// is locked for long, cannot be written, or can be written by others.
func Open(ctx context.Context, stateHome string, now time.Time) (*Store, error) {
	path := Path(stateHome)
	err := sqlite.OwnFolder(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	s, err := connect(ctx, path, false)
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
	return openExisting(ctx, stateHome, true)
}

// OpenFile opens a history read-only by its path, such as one that was copied from another
// host.
func OpenFile(ctx context.Context, path string) (*Store, error) { return openPath(ctx, path, true) }

// OpenExisting opens the history like [OpenReadOnly], but for writing too. So the next audit
// is still the one that finds a history damaged or gone.
func OpenExisting(ctx context.Context, stateHome string) (*Store, error) {
	return openExisting(ctx, stateHome, false)
}

func openExisting(ctx context.Context, stateHome string, readOnly bool) (*Store, error) {
	return openPath(ctx, Path(stateHome), readOnly)
}

func openPath(ctx context.Context, path string, readOnly bool) (*Store, error) {
	s, err := connect(ctx, path, readOnly)
	if errors.Is(err, errBlank) || sqlite.IsUnfinished(err) {
		err = fs.ErrNotExist // a process was killed before it had created the history
	}
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", path, err)
	}
	return s, nil
}

// Notice returns a line for a person if Open had to repair something, or the history that
// there was is gone, otherwise "".
func (s *Store) Notice() string { return s.notice }

// IsNew reports whether Open created the history.
func (s *Store) IsNew() bool { return s.isNew }

// Close closes the history.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the history: %w", err)
	}
	return nil
}

func connect(ctx context.Context, path string, readOnly bool) (*Store, error) {
	version := 0
	d, err := sqlite.Open(ctx, path, readOnly, func(ctx context.Context, d *sqlite.DB) (err error) {
		version, err = check(ctx, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return newStore(d, version), nil
}

// begin creates a history, and renames a file that cannot be used. It takes a lock, so that
// it does not rename a history that another process has just created. The lock's file stays,
// and says later that there was a history.
func begin(ctx context.Context, path string, now time.Time) (*Store, error) {
	lockPath := strings.TrimSuffix(path, ".db") + ".lock"
	said, _ := regularfile.Read(lockPath, 1<<10)
	release, err := lock.Take(lockPath, now)
	if err != nil {
		return nil, err
	}
	defer release()
	had := strings.Contains(string(said), begun)
	s, err := connect(ctx, path, false)
	if had || err == nil { // Take has replaced what the file said
		if bad := sayBegun(lockPath); bad != nil {
			if s != nil {
				bad = errors.Join(bad, s.Close())
			}
			return nil, bad
		}
	}
	if !needsNew(err) {
		return s, err
	}
	notice := ""
	if unusable := (*sqlite.UnusableError)(nil); errors.As(err, &unusable) {
		aside, err := sqlite.SetAside(path, now)
		if err != nil {
			return nil, fmt.Errorf("set aside what cannot be used (%w): %w", unusable, err)
		}
		notice = fmt.Sprintf("the history could not be used (%s), so a new one was created; the old one is kept as %s", unusable.Why, aside)
	}
	if had && errors.Is(err, fs.ErrNotExist) {
		notice = fmt.Sprintf("the history is gone (%s says that there was one), so a new one was created", lockPath)
	}
	if err = create(ctx, path, now); err == nil {
		err = sayBegun(lockPath)
	}
	if err != nil {
		return nil, fmt.Errorf("begin it: %w", err)
	}
	if s, err = connect(ctx, path, false); err != nil {
		return nil, err
	}
	s.notice, s.isNew = notice, true
	return s, nil
}

// begun is what the lock's file says after a history was created.
const begun = "There is a history beside this file.\n"

func sayBegun(path string) error {
	f, err := regularfile.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("write down that there is a history: %w", err)
	}
	_, err = f.WriteString(begun)
	return errors.Join(err, f.Close())
}

// needsNew reports whether there is no history or it cannot be used.
func needsNew(err error) bool {
	unusable := (*sqlite.UnusableError)(nil)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errBlank) || errors.As(err, &unusable)
}
