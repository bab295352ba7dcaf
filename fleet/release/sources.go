package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"stackpolicy/fleet"
	"stackpolicy/internal/regularfile"
)

// Folder fetches from a copy of a repository's public folder, as on a stick.
type Folder string

// File reads a file.
func (f Folder) File(_ context.Context, name string, limit int64) ([]byte, error) {
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%.200q is not in the folder", name)
	}
	text, err := regularfile.Read(filepath.Join(string(f), name), limit)
	if errors.Is(err, regularfile.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return text, err
}

// Messages fetches from the hub: each file is the last message of a subject of stream FLEET.
type Messages struct {
	Org string
	// Last returns the last message of a subject, by JetStream's direct get. It is
	// fs.ErrNotExist if there is none.
	Last func(ctx context.Context, subject string) ([]byte, error)
}

// File reads a file.
func (m Messages) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	subject, err := fleet.ReleaseSubject(m.Org, name)
	if err != nil {
		return nil, err
	}
	text, err := m.Last(ctx, subject)
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: %d bytes; want at most %d", ErrTooLarge, len(text), limit)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", subject, fs.ErrNotExist)
	}
	return text, err
}
