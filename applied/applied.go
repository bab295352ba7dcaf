// Package applied keeps what was last applied of each stack: stackctl writes
// it, an audit reads it. One record is one JSON file in the user's state
// folder, private to the user, replaced whole.
//
// Start at [Record].
package applied

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// Schema names the version of a record's shape.
const Schema = "stackpolicy.applied/v1"

// LabelDefinition is the label that stackctl gives every container of a stack: a
// digest over all that decides what the container is, but for its image.
const LabelDefinition = "io.stackpolicy.definition"

// LabelGiven is the label that stackctl gives the containers that podman-compose makes: a
// digest over the whole file that it was given. podman-compose 1.3 replaces every container
// when another one is.
const LabelGiven = "io.stackpolicy.given"

// maxRecord bounds a record: a hundred services are some 30 KiB.
const maxRecord = 4 << 20

// Roles of files.
const (
	RoleUnit    = "unit" // the unit's fragment, drop-ins or quadlet source
	RoleCompose = "compose"
	RoleEnv     = "env"
	RoleNamed   = "named" // included and extended compose files, and env files of services
)

// Record is what the last successful apply of a stack depends on. It holds no
// secret.
type Record struct {
	Schema     string    `json:"schema"`
	Stack      string    `json:"stack"`
	Unit       string    `json:"unit"`
	Project    string    `json:"project"`
	AppliedAt  time.Time `json:"applied_at"` // zero: no apply has succeeded, and Last is all there is
	Invocation string    `json:"invocation"` // $INVOCATION_ID of the unit's start; "" when applied by hand
	Stale      bool      `json:"stale"`      // the manager ran the unit by an older definition than the one on disk
	Definition string    `json:"definition"` // digest over all that decides what the containers are
	Secrets    string    `json:"secrets"`    // digest over the secrets' contents
	Files      []File    `json:"files"`
	Services   []Service `json:"services"`
	Last       Outcome   `json:"last"`
	// RolledBack says that a later apply failed, and that what this record says was
	// brought back; nil otherwise.
	RolledBack *RolledBack `json:"rolled_back,omitempty"`
}

// RolledBack is an apply that was undone.
type RolledBack struct {
	At         time.Time `json:"at"`
	Definition string    `json:"definition"` // of the record that it would have had
	Message    string    `json:"message"`    // how it failed
	Restarts   int       `json:"restarts"`   // automatic restarts of the unit by then
}

// File is one file that the apply depends on.
type File struct {
	Path   string `json:"path"`
	Role   string `json:"role"`
	Digest string `json:"digest"` // sha256:…; "" when it did not exist
}

// Service is what the compose files say of a service, and what its containers
// were made of.
type Service struct {
	Name        string `json:"name"`
	Containers  int    `json:"containers"`   // how many of it
	OneShot     bool   `json:"one_shot"`     // runs to its end and exits 0, as a migration does
	HealthCheck bool   `json:"health_check"` // declared in the compose files; an image may bring one as well
	Definition  string `json:"definition"`   // what [LabelDefinition] of its containers says; "" when it is not known
	ImageID     string `json:"image_id"`     // of its containers; "" when it is not known
}

// Outcome is how the last apply and its verification ended.
type Outcome struct {
	Step    string    `json:"step"`   // preflight, apply or verify
	Status  int       `json:"status"` // stackctl's exit status
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Folder holds the records below stateHome ($XDG_STATE_HOME).
func Folder(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "applied") }

// Path is the file of a stack's record.
func Path(stateHome, stack string) string { return filepath.Join(Folder(stateHome), stack+".json") }

// LockPath is the file that a process locks while it changes a stack, below
// runtimeDir ($XDG_RUNTIME_DIR), so that it does not outlive a boot.
func LockPath(runtimeDir, stack string) string {
	return filepath.Join(runtimeDir, "stackpolicy", "apply-"+stack+".lock")
}

// Read reads a stack's record. Without one the error is [fs.ErrNotExist]; one
// of another version, or that is damaged, is an error that names the file.
func Read(stateHome, stack string) (Record, error) {
	path := Path(stateHome, stack)
	content, err := regularfile.Read(path, maxRecord)
	if err != nil {
		return Record{}, fmt.Errorf("read what was applied: %w", err)
	}
	r, err := decode(content, stack)
	if err != nil {
		return Record{}, fmt.Errorf("read what was applied: %s: %w", path, err)
	}
	return r, nil
}

func decode(content []byte, stack string) (Record, error) {
	r := Record{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	err := d.Decode(&r)
	switch {
	case r.Schema != "" && r.Schema != Schema:
		return r, fmt.Errorf("schema is %q; this program reads %q", r.Schema, Schema)
	case err != nil:
		return r, err
	case r.Schema == "" || r.Stack != stack || r.AppliedAt.IsZero() && r.Last.At.IsZero():
		return r, errors.New("schema, stack or applied_at is missing or not this stack's")
	}
	return r, nil
}

// Write replaces the record of r's stack. A crash leaves the old one or the
// new one, never a part.
func Write(stateHome string, r Record) error {
	r.Schema = Schema
	if err := write(Path(stateHome, r.Stack), r); err != nil {
		return fmt.Errorf("write what was applied: %w", err)
	}
	return nil
}

// write replaces a file, which only its owner may read.
func write(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(append(content, '\n'))
		return err
	})
}
