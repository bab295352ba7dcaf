// Package atomicfile replaces a whole file: a reader sees the old file or the new file, even
// after a crash.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path with the content that write writes, with these permission
// bits. The folder must exist. It writes a temporary file beside the file, syncs, and renames
// (rename(2) is atomic). If something fails, the old file stays and the temporary file is
// removed.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
