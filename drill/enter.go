package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/regularfile"
	"stackpolicy/lab/sandbox"
	"stackpolicy/lab/usermanager"
)

// inScope is set in the environment of the process that Enter starts.
const inScope = "STACKPOLICY_DRILL_IN_SCOPE"

// scopeLimit bounds the trial of a scope.
const scopeLimit = 20 * time.Second

// Enter returns nil if a sandbox can be made here. An ordinary user needs a cgroup of its own
// for that: outside of one, Enter executes this program again in a delegated scope of the user
// manager, and does not return. The error says what is missing, and what to do.
func Enter(ctx context.Context) error {
	err := usermanager.Available(usermanager.Options{})
	if err == nil {
		return nil
	}
	if os.Geteuid() == 0 || sandbox.TryCgroup() == nil || os.Getenv(inScope) != "" {
		return fmt.Errorf("%w%s", err, hint())
	}
	return scope(ctx)
}

// scope runs this process again in a scope.
func scope(ctx context.Context) error {
	systemdRun, err := exec.LookPath("systemd-run")
	if err != nil {
		return fmt.Errorf("a drill needs a cgroup of its own, and so systemd-run (package systemd): %w", err)
	}
	argv := []string{"systemd-run", "--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes", "--"}
	ctx, cancel := context.WithTimeout(ctx, scopeLimit)
	defer cancel()
	if out, err := exec.CommandContext(ctx, systemdRun, append(argv[1:], "true")...).CombinedOutput(); err != nil {
		return fmt.Errorf("a drill needs a cgroup of its own, and your user manager gives it none (%w: %s); "+
			"log in as this user, or: loginctl enable-linger", err, out)
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	argv = append(append(argv, own), os.Args[1:]...)
	return fmt.Errorf("run systemd-run: %w", syscall.Exec(systemdRun, argv, append(os.Environ(), inScope+"=1")))
}

// hint says why namespaces may be refused.
func hint() string {
	for path, off := range map[string]string{
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0",
		"/proc/sys/user/max_user_namespaces":                     "0",
	} {
		if value, err := regularfile.Read(path, 100); err == nil && strings.TrimSpace(string(value)) == off && os.Geteuid() != 0 {
			return "\nhint: this machine lets ordinary users make no namespaces (" + path + " is " + off + ")"
		}
	}
	return ""
}

// FindProgram returns the path of stackpolicy: the given one, or one beside this program, in
// the bin folder of its prefix, or in $PATH.
func FindProgram(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, folder := range []string{".", "../../bin"} {
		name := filepath.Join(filepath.Dir(own), folder, "stackpolicy")
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name, nil
		}
	}
	name, err := exec.LookPath("stackpolicy")
	if err != nil {
		return "", errors.New("stackpolicy is not installed: put it beside this program, or name it with --stackpolicy")
	}
	return filepath.Abs(name)
}
