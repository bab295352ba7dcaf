package usermanager

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"stackpolicy/lab/sandbox"
)

// tools are the programs that a start needs.
type tools struct {
	unshare, nsenter, shell string // on the host
	systemd                 string // in the root file system
}

// Available returns nil if Start can probably work with these options here. It tries to
// make namespaces and a cgroup, which takes about 20 ms. The error says what is missing;
// tests skip with it.
func Available(options Options) error {
	found, err := findTools(options)
	if err != nil {
		return err
	}
	if err := sandbox.TryCgroup(); err != nil {
		return errors.Join(
			fmt.Errorf("a user manager needs a cgroup of its own: %w", err),
			errors.New("hint: be root, or run it in a delegated scope: systemd-run --user --scope --property=Delegate=yes …"))
	}
	if err := sandbox.TryNamespaces(found.shell, "-c", "mount -t tmpfs tmpfs /run"); err != nil {
		return fmt.Errorf("a user manager needs namespaces of its own: %w", err)
	}
	return nil
}

// findTools finds the programs and folders that a start needs.
func findTools(options Options) (tools, error) {
	var found tools
	var err error
	for _, tool := range []struct {
		name string
		path *string
	}{{"unshare", &found.unshare}, {"nsenter", &found.nsenter}, {"sh", &found.shell}} {
		if *tool.path, err = exec.LookPath(tool.name); err != nil {
			return found, fmt.Errorf("a user manager needs %s (util-linux): %w", tool.name, err)
		}
	}
	if found.systemd, err = findSystemd(options.Root); err != nil {
		return found, err
	}
	if options.NoBus || exists(options.Root, "/usr/lib/systemd/user/dbus.socket") ||
		exists(options.Root, "/run/current-system/sw/lib/systemd/user/dbus.socket") {
		return found, nil
	}
	return found, fmt.Errorf("no dbus.socket for users in %q: install dbus-user-session, or do without a bus", rootName(options.Root))
}

// findSystemd returns the path of systemd inside a root file system.
func findSystemd(root string) (string, error) {
	for _, path := range []string{
		"/usr/lib/systemd/systemd",
		"/lib/systemd/systemd",
		"/run/current-system/systemd/lib/systemd/systemd",
	} {
		if exists(root, path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no systemd in %q", rootName(root))
}

func exists(root, path string) bool {
	_, err := os.Stat(filepath.Join("/", root, path))
	return err == nil
}

func rootName(root string) string {
	return filepath.Join("/", root)
}
