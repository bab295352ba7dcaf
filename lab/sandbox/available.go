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

// TryCgroup says why NewCgroup cannot work here, or returns nil.
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

// TryNamespaces says why a program cannot do its work as process 1 of new
// namespaces, in its own words, or returns nil.
func TryNamespaces(argv ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append(UnshareArgs(), argv...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unshare: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
