package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// tryTimeout bounds TryNamespaces.
const tryTimeout = 5 * time.Second

// TryCgroup returns nil if NewCgroup can work here, or else an error that says why not.
func TryCgroup() error {
	parent, err := OwnCgroup()
	if err != nil {
		return err
	}
	probe, err := os.MkdirTemp(parent, "stackpolicy-lab-probe-")
	if err != nil {
		return err
	}
	return os.Remove(probe)
}

// TryNamespaces runs a program as process 1 of new namespaces, and returns nil if it
// succeeds. The error contains what the program printed.
func TryNamespaces(argv ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append(UnshareArgs(), argv...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unshare: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
