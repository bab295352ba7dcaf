// Package programs compiles the programs that the lab tries.
package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles a program of cmd/ into a folder, without cgo, so that it runs on any release,
// and returns its path.
func Build(ctx context.Context, dir, name string) (path string, err error) {
	path = filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "stackpolicy/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// Stackpolicy compiles stackpolicy into a new folder, which remove removes.
func Stackpolicy(ctx context.Context) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "stackpolicy-program-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // of this user
	if path, err = Build(ctx, dir, "stackpolicy"); err != nil {
		remove()
	}
	return path, remove, err
}
