package facts

import (
	"path/filepath"
	"strings"
)

// Kinds of folders that unit files come from.
const (
	originUser         = "user"
	originControl      = "control"
	originRuntime      = "runtime"
	originGenerator    = "generator"
	originEtc          = "etc"
	originDistribution = "distribution"
	originOther        = "other"
)

// origin tells which kind of folder a unit file, drop-in, link or quadlet
// source is in; "" for no path.
func (r *run) origin(path string) string {
	if path == "" {
		return ""
	}
	e, runtime := r.env, filepath.Join(r.env.RuntimeDir, "systemd")
	switch {
	case within(path, e.UnitDir()), within(path, e.QuadletDir()):
		return originUser
	case within(path, e.UnitDir()+".control"), within(path, runtime+"/user.control"):
		return originControl
	case within(path, runtime+"/generator"), within(path, runtime+"/generator.early"), within(path, runtime+"/generator.late"):
		return originGenerator
	case within(path, e.RuntimeDir), within(path, "/run/systemd/user"):
		return originRuntime
	case within(path, "/etc"):
		return originEtc
	case within(path, "/usr/lib/systemd/user"), within(path, "/lib/systemd/user"):
		return originDistribution
	}
	return originOther
}

func within(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }
