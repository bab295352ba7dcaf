package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stackpolicy/internal/regularfile"
)

// file is a file to write.
type file struct {
	path, text string
	own        bool // the user edits it: an existing file is kept
	state      state
}

type state string

const (
	absent  state = "to write"
	same    state = "there already"
	kept    state = "yours, kept"
	differs state = "differs"
	written state = "written"
)

// maxUnit is longer than any of the files: a longer existing file differs.
const maxUnit = 64 << 10

// compare compares the file with an existing file at its path.
func (f *file) compare() error {
	if _, err := os.Lstat(f.path); err != nil {
		f.state = absent
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("read an existing file: %w", err)
		}
		return nil
	}
	f.state = differs
	if f.own {
		f.state = kept
	}
	// Something that cannot be read, such as a dangling link or a folder, differs.
	if text, err := regularfile.Read(f.path, maxUnit); err == nil && string(text) == f.text {
		f.state = same
	}
	return nil
}

// writeNew writes a file that does not exist yet, whole or not at all, and creates its
// folder. It never replaces a file, because link(2) does not.
func writeNew(path, text string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".stackpolicy-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
