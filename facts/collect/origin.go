package collect

import (
	"path/filepath"
	"strings"

	"stackpolicy/facts"
)

// origin returns the kind of folder that a unit file, drop-in, link or quadlet
// source is in; "" for no path.
func (e Environment) origin(path string) string {
	if path == "" {
		return ""
	}
	runtime := filepath.Join(e.RuntimeDir, "systemd")
	switch {
	case within(path, e.UnitDir()), within(path, e.QuadletDir()):
		return facts.OriginUser
	case within(path, e.UnitDir()+".control"), within(path, runtime+"/user.control"):
		return facts.OriginControl
	case within(path, runtime+"/generator"), within(path, runtime+"/generator.early"), within(path, runtime+"/generator.late"):
		return facts.OriginGenerator
	case within(path, e.RuntimeDir), within(path, "/run/systemd/user"):
		return facts.OriginRuntime
	case within(path, "/etc"), within(path, filepath.Join(e.Root, "/etc/containers")):
		return facts.OriginEtc
	case within(path, "/usr/lib/systemd/user"), within(path, "/lib/systemd/user"):
		return facts.OriginDistribution
	}
	return facts.OriginOther
}

func within(path, dir string) bool {
	return len(path) > len(dir) && path[len(dir)] == '/' && strings.HasPrefix(path, dir)
}
