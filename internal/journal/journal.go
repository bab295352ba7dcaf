// Package journal writes structured entries to the systemd journal, where
// `journalctl MESSAGE_ID=…` and `journalctl --user -u UNIT` find them.
//
// Start at [Send]. On a machine without a journal it returns [ErrNoJournal] at
// once. [Connected] reports whether stderr already leads to the journal: then a
// message written to both would be there twice.
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

// limit is how long Send waits for a journal that accepts no entry.
const limit = time.Second

// ErrNoJournal means that no journal listens on this machine.
var ErrNoJournal = errors.New("no journal listens")

// Entry is one message to the journal. Texts may contain anything: line breaks and
// tabs are kept, other control characters become \x1b or the like, invalid UTF-8
// becomes U+FFFD, and a text longer than 4 KiB is cut and ends in "…(cut)".
type Entry struct {
	MessageID string            // the kind of message: 32 lower-case hex digits, or empty
	Priority  int               // 0 to 7
	Message   string            // for a person
	UserUnit  string            // the user unit it is about, or empty
	Fields    map[string]string // others, by name; names are changed to upper case
}

// Send writes one entry. The error wraps [ErrNoJournal] if no journal listens.
// Other errors are about a malformed entry, or a journal that accepted nothing for
// a second; such an entry may still arrive later.
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
		return fmt.Errorf("send to the journal: it accepted nothing for %v", limit)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrNoJournal, err)
	case err != nil:
		return fmt.Errorf("send to the journal: %w", err)
	}
	return nil
}
