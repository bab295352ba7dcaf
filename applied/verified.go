package applied

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"stackpolicy/internal/regularfile"
)

// VerifiedSchema names the version of the shape of [Verified].
const VerifiedSchema = "stackpolicy.verified/v1"

// maxVerified bounds the file: compose files with their env files put in.
const maxVerified = 16 << 20

// Verified is what was verified last of a stack: enough to bring it back when a
// later apply fails. It holds the containers' variables, so secrets too, as podman's
// own files do. It is written for stacks alone that ask for a rollback.
type Verified struct {
	Schema   string   `json:"schema"`
	Record   Record   `json:"record"`   // as it was then
	Compose  string   `json:"compose"`  // one compose file with everything put in, without one-shots
	Inactive []string `json:"inactive"` // services that may have containers and are not in Compose
	Images   []Image  `json:"images"`
	Volumes  []string `json:"volumes"` // names of the containers' anonymous volumes
}

// Image is an image that containers were made from.
type Image struct {
	Name string `json:"name"` // as podman completes it
	ID   string `json:"id"`
}

// VerifiedPath is the file of what was verified last of a stack.
func VerifiedPath(stateHome, stack string) string {
	return filepath.Join(stateHome, "stackpolicy", "verified", stack+".json")
}

// ReadVerified reads what was verified last. Where nothing was, the error is
// [fs.ErrNotExist]; a damaged file, or one of another version, is an error that names
// the file.
func ReadVerified(stateHome, stack string) (v Verified, err error) {
	path := VerifiedPath(stateHome, stack)
	content, err := regularfile.Read(path, maxVerified)
	if err != nil {
		return v, fmt.Errorf("read what was verified: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	err = d.Decode(&v)
	switch {
	case v.Schema != "" && v.Schema != VerifiedSchema:
		err = fmt.Errorf("schema is %q; this program reads %q", v.Schema, VerifiedSchema)
	case err == nil && (v.Schema == "" || v.Record.Stack != stack || v.Compose == ""):
		err = errors.New("schema, record or compose is missing or not this stack's")
	}
	if err != nil {
		return v, fmt.Errorf("read what was verified: %s: %w", path, err)
	}
	return v, nil
}

// WriteVerified replaces what was verified last of the record's stack.
func WriteVerified(stateHome string, v Verified) error {
	v.Schema = VerifiedSchema
	if err := write(VerifiedPath(stateHome, v.Record.Stack), v); err != nil {
		return fmt.Errorf("write what was verified: %w", err)
	}
	return nil
}

// ForgetVerified removes what was verified last of a stack.
func ForgetVerified(stateHome, stack string) error {
	if err := os.Remove(VerifiedPath(stateHome, stack)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what was verified: %w", err)
	}
	return nil
}
