package alerts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"stackpolicy/internal/atomicfile"
)

// WriteTextfile replaces the file at path, in a folder that must be there, with
// what write writes. A reader sees the old one or the new one, never a part;
// node_exporter, another user, may read it. A link in its place is refused: it
// would not be replaced by what whoever made it expects.
func WriteTextfile(path string, write func(io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return fmt.Errorf("write the textfile %s: %w", path, err)
	}
	// node_exporter passes over the file beside it, whose name does not end in .prom.
	if err := atomicfile.Write(path, 0o644, write); err != nil {
		return fmt.Errorf("write the textfile %s: %w", path, err)
	}
	return nil
}

func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("a link stands there; remove it")
	case !info.Mode().IsRegular():
		return errors.New("what stands there is no regular file; remove it")
	}
	return nil
}
