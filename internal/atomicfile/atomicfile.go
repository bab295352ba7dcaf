// Package atomicfile replaces a file as a whole: whoever reads it sees the old
// one or the new one, also after a crash.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts what write writes in the place of the file at path, with these
// permission bits, in a folder that exists. It writes beside the file, syncs,
// and renames (rename(2) is atomic). When anything fails, the old file stays,
// and nothing is left beside it.
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
