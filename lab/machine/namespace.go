package machine

import (
	"context"
	_ "embed"
	"os/exec"
	"path/filepath"

	"stackpolicy/lab/sandbox"
)

// setupScript is process 1 of the namespaces.
//
//go:embed setup.sh
var setupScript string

// enter makes the namespaces that systemd-nspawn runs in, and boots the machine in them.
// nspawn makes further namespaces for the machine, inside these. enter returns when
// nspawn, their process 1, starts.
func (m *Machine) enter(ctx context.Context) (*sandbox.Namespace, error) {
	args := append(sandbox.UnshareArgs(), "sh", "-c", setupScript, "setup")
	cmd := exec.Command("unshare", append(args, m.nspawnArgs()...)...)
	cmd.Stdout, cmd.Stderr = m.console, m.console
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LAB_DIR=" + m.scratch.Dir,
		"LAB_ROOT=" + m.root,
	}
	return sandbox.Enter(ctx, cmd, m.cgroup)
}

// nspawnArgs returns the command line that boots the machine. Without --register=no and
// --keep-unit it would need a running systemd-machined and systemd on the host.
func (m *Machine) nspawnArgs() []string {
	ns := m.scratch.Path("ns")
	return []string{
		"systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
		"--directory=" + filepath.Join(ns, "root"),
		"--machine=lab", "--console=read-only",
		"--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--setenv=SYSTEMD_COLORS=0", "--setenv=TERM=dumb",
		"--bind=" + m.scratch.Path("home") + ":" + Home,
		"--bind=" + filepath.Join(ns, "fuse") + ":/dev/fuse",
		"--bind=" + filepath.Join(ns, "tun") + ":/dev/net/tun",
	}
}
