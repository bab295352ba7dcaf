package notify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// Textfile is the path of a file for node_exporter's textfile collector; "" when no
// such file is written. It contains metrics, not alerts.
type Textfile string

// UnmarshalYAML reads the path.
func (t *Textfile) UnmarshalYAML(node *yaml.Node) error {
	var path string
	err := node.Decode(&path)
	*t = Textfile(regularfile.InHome(path))
	return err
}

func (t Textfile) check() []error {
	path := string(t)
	if path == "" || filepath.IsAbs(path) && strings.HasSuffix(path, ".prom") && !strings.ContainsRune(path, 0) {
		return nil
	}
	return []error{fmt.Errorf(": %q is not an absolute path of a file NAME.prom; node_exporter reads no others", path)}
}

func (Textfile) routes(Environment) ([]Route, error) { return nil, nil }

// WriteTextfile replaces the file at path with what write writes. Its folder must
// exist. A reader sees the old file or the new one, never a part. node_exporter,
// which is another user, may read it. A link at the path is an error: whoever made
// it does not expect that it is replaced.
func WriteTextfile(path string, write func(io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return fmt.Errorf("write the textfile %s: %w", path, err)
	}
	// The name of the temporary file does not end in .prom, so node_exporter ignores it.
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
		return errors.New("it is a link; remove it")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file; remove it")
	}
	return nil
}
