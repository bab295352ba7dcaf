package usermanager

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"stackpolicy/lab/sandbox"
)

// scratchPrefix begins the names of scratch folders, and of cgroups.
const scratchPrefix = "stackpolicy-lab-"

// maxScratchPath is the longest path of a scratch folder: a socket's path has at most 108
// bytes (unix(7)), and the sockets are below this folder.
const maxScratchPath = 64

// newScratch makes a scratch folder below parent that every account can enter.
func newScratch(parent string) (*sandbox.Scratch, error) {
	s, err := sandbox.NewScratch(parent, scratchPrefix)
	if err != nil {
		return nil, err
	}
	if err := openFolder(s.Dir); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func openFolder(dir string) error {
	if len(dir) > maxScratchPath {
		return fmt.Errorf("scratch folder %q is too long for sockets below it: set TMPDIR to a shorter path", dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	return nil
}

// makeFolder makes a folder and its parents. The umask has no effect.
func makeFolder(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	if err := syscall.Chmod(path, uint32(mode)); err != nil {
		return fmt.Errorf("make the scratch folder %q: %w", path, err)
	}
	return nil
}
