// Package journal puts structured entries into the systemd journal, where
// `journalctl MESSAGE_ID=…` and `journalctl --user -u UNIT` find them.
//
// Start at [Send]. A machine without a journal is no fault: it says so at once,
// and the caller goes on. [Connected] tells whether the program's stderr is the
// journal already, so that nothing is said twice.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// Priorities, as syslog(3) has them.
const (
	Critical = 2
	Error    = 3
	Warning  = 4
	Notice   = 5
	Info     = 6
)

// limit is how long an entry may wait for a journal that takes none.
const limit = time.Second

// ErrNoJournal says that no journal listens on this machine.
var ErrNoJournal = errors.New("no journal listens")

// Entry is one message to the journal. Texts may hold anything: line breaks and
// tabs arrive as they are, other control characters as \x1b or the like, invalid
// UTF-8 as U+FFFD, and what is longer than 4 KiB is cut and ends in "…(cut)".
type Entry struct {
	MessageID string            // what kind of message it is, 32 lower-case hex digits; or empty
	Priority  int               // 0 to 7
	Message   string            // what a person reads
	UserUnit  string            // the user unit it is about, or empty
	Fields    map[string]string // any others, by name; upper case is put in place
}

// Send writes one entry, or returns an error and writes nothing: one that wraps
// [ErrNoJournal] where none listens, another for a malformed entry or for a
// journal that takes none for a second. Such an entry may still arrive later.
func Send(e Entry) error {
	fields, err := e.fields()
	if err != nil {
		return fmt.Errorf("journal entry: %w", err)
	}
	// The library waits for room in the journal's socket without a limit.
	sent := make(chan error, 1)
	go func() { sent <- journal.Send(clean(e.Message), journal.Priority(e.Priority), fields) }()
	select {
	case err = <-sent:
	case <-time.After(limit):
		return fmt.Errorf("send to the journal: it took nothing for %v", limit)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrNoJournal, err)
	case err != nil:
		return fmt.Errorf("send to the journal: %w", err)
	}
	return nil
}
