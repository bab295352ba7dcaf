package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/text"
)

// MaxAge is how long a gate may be open: what was seen before that says little about a
// change.
const MaxAge = 24 * time.Hour

// maxKept bounds the file of a gate: [facts.Read] takes no larger document.
const maxKept = 130 << 20

// Folder keeps the facts of a gate between begin and end, in one file for each gate.
type Folder struct {
	StateHome string // $XDG_STATE_HOME
	UID       int
	Boot      string // id of the present boot
	Now       func() time.Time
}

// Kept is what begin keeps.
type Kept struct {
	UID      int             `json:"uid"`
	Boot     string          `json:"boot"`
	BegunAt  time.Time       `json:"begun_at"`
	Document *facts.Document `json:"document"`
}

// UnusableError says why there is no gate to end, and what to do.
type UnusableError struct{ why, hint string }

func (e *UnusableError) Error() string { return e.why + "; " + e.hint }

var gateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (f Folder) path(name, ending string) string {
	return filepath.Join(f.StateHome, "stackpolicy", "gate", name+ending)
}

// Lock makes this the only command on a gate. It ends with the process.
func (f Folder) Lock(name string) (release func(), err error) {
	if !gateName.MatchString(name) {
		return nil, fmt.Errorf("the name %q of a gate is wrong: letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first", text.Clip(name, 100))
	}
	if err := sqlite.OwnFolder(filepath.Dir(filepath.Dir(f.path(name, "")))); err != nil {
		return nil, fmt.Errorf("open the folder of gates: %w", err)
	}
	release, err = lock.Take(f.path(name, ".lock"), f.Now())
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("another command is at work on the gate %s (%s): wait for it, or give this one another --name", name, held.Holder)
	}
	return release, err
}

// Begin keeps the facts before a change. A gate that is still open is only replaced if
// replace is set: otherwise the change of whoever opened it could not be told any more.
func (f Folder) Begin(name string, doc *facts.Document, replace bool) error {
	if open, err := f.Open(name); err == nil && !replace {
		return fmt.Errorf("the gate %s was begun at %s and is not ended: end it (stackpolicy gate end), forget it (--replace), or give this one another --name",
			name, open.BegunAt.Format(time.RFC3339))
	}
	return f.write(name, Kept{UID: f.UID, Boot: f.Boot, BegunAt: f.Now().UTC(), Document: doc})
}

// End closes a gate: what it kept says nothing about later changes.
func (f Folder) End(name string) error {
	if err := os.Remove(f.path(name, ".json")); err != nil {
		return fmt.Errorf("end the gate %s: %w", name, err)
	}
	return nil
}

func (f Folder) write(name string, k Kept) error {
	err := atomicfile.Write(f.path(name, ".json"), 0o600, func(w io.Writer) error { return json.NewEncoder(w).Encode(k) })
	if err != nil {
		return fmt.Errorf("keep the facts of the gate %s: %w", name, err)
	}
	return nil
}

// Open returns what a gate keeps. If there is no such gate the error is [fs.ErrNotExist]. If
// it is of another account or boot, too old, or cannot be read, it is an [UnusableError].
func (f Folder) Open(name string) (Kept, error) {
	again := "begin again before the change: stackpolicy gate begin"
	content, err := regularfile.Read(f.path(name, ".json"), maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return Kept{}, err
	}
	var raw struct {
		Kept
		Document json.RawMessage `json:"document"`
	}
	if err == nil {
		err = json.Unmarshal(content, &raw)
	}
	if err != nil {
		return Kept{}, &UnusableError{fmt.Sprintf("what the gate %s kept cannot be read: %v", name, err), again}
	}
	k, age := raw.Kept, f.Now().Sub(raw.BegunAt)
	switch {
	case k.UID != f.UID:
		return Kept{}, &UnusableError{fmt.Sprintf("the gate %s is of another account (%d)", name, k.UID), again}
	case k.Boot != f.Boot:
		return Kept{}, &UnusableError{fmt.Sprintf("the gate %s was begun at %s, before this boot", name, k.BegunAt.Format(time.RFC3339)), again}
	case age > MaxAge:
		return Kept{}, &UnusableError{fmt.Sprintf("the gate %s was begun %s ago, which is more than %s", name, text.Elapsed(age), text.Brief(MaxAge)), again}
	case age < -time.Minute:
		return Kept{}, &UnusableError{fmt.Sprintf("the gate %s was begun in the future, at %s: a clock is wrong", name, k.BegunAt.Format(time.RFC3339)), again}
	}
	if k.Document, err = facts.Decode(raw.Document); err != nil {
		return Kept{}, &UnusableError{fmt.Sprintf("what the gate %s kept cannot be read: %v", name, err), again}
	}
	return k, nil
}

// BootID returns the id of the present boot (random(4)).
func BootID() (string, error) {
	id, err := regularfile.Read("/proc/sys/kernel/random/boot_id", 100)
	if err != nil {
		return "", fmt.Errorf("find out which boot this is: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}
