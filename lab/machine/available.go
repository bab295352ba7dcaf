package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/sandbox"
)

// probeScript does what a boot needs of the kernel: a cgroup2 file system, an
// overlay, and device nodes.
const probeScript = `set -e
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir /run/lower /run/upper /run/work /run/root
mknod /run/tun c 10 200
mount -t overlay overlay /run/root -o lowerdir=/run/lower,upperdir=/run/upper,workdir=/run/work`

// Available returns nil if Boot can probably work with these options here. It tries
// only what is cheap to try. The error says what is missing; tests skip with it.
func Available(options Options) error {
	if os.Geteuid() != 0 {
		return errors.New("a machine needs root: its user's containers need a range of accounts")
	}
	for program, hint := range map[string]string{
		"unshare": "util-linux", "nsenter": "util-linux", "systemd-nspawn": "systemd-container",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("a machine needs %s: %w\nhint: apt-get install %s", program, err, hint)
		}
	}
	if err := debian.Available(options.suite()); err != nil {
		return fmt.Errorf("a machine needs a root file system of %s: %w", options.suite(), err)
	}
	if _, err := sandbox.OwnCgroup(); err != nil {
		return fmt.Errorf("a machine needs a cgroup of its own: %w", err)
	}
	if err := sandbox.TryNamespaces("sh", "-c", probeScript); err != nil {
		return fmt.Errorf("a machine needs namespaces, cgroup2 and overlays: %w", err)
	}
	return nil
}
