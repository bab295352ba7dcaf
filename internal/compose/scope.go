package compose

import (
	"os/exec"
	"path/filepath"
)

// usual are the folders that hold systemd-run where a unit's PATH may lack them.
var usual = []string{"/usr/bin", "/run/current-system/sw/bin"}

// Scope is the command, to be put before another, that runs it in a scope of the
// user manager's instead of the caller's own unit; nil where systemd-run(1) is
// not installed. What podman leaves running for a container lives where podman
// was started: in 5.4 the forwarder of published ports, and by default conmon.
// In the cgroup of a stack's unit a stop of the unit, which a restart begins
// with, would kill them (systemd.kill(5)), and the stack would be down before
// its preflight has had a say.
func Scope(description string) []string {
	candidates := []string{"systemd-run"}
	for _, dir := range usual {
		candidates = append(candidates, filepath.Join(dir, "systemd-run"))
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path, "--user", "--scope", "--quiet", "--collect", "--description=" + description, "--"}
		}
	}
	return nil
}
