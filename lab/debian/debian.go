// Package debian makes root file systems of Debian releases: machines and user
// managers of the lab run in them, and so meet other versions of systemd and
// podman than the host's own.
//
// Cached is the way in: it returns a root that is kept from run to run, and
// makes it if it does not exist. Users of one put an overlay over it, and
// leaves the root itself as it is.
//
// A root is made with mmdebstrap(1), as root, on a Debian machine: packages
// come from the mirror of the machine's own apt sources, checked by its keyring.
package debian

import (
	"fmt"
	"regexp"
	"strings"
)

// Trixie and Bookworm are the releases that the lab tests on: systemd 257 with
// podman 5.4, and systemd 252 with podman 4.3.
const (
	Trixie   = "trixie"
	Bookworm = "bookworm"
)

// packages are what a whole machine needs: its boot, a lingering user manager,
// rootless podman with networks and compose, and a registry.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd",
	"podman", "crun", "conmon", "catatonit", "uidmap", "fuse-overlayfs", "passt", "slirp4netns",
	"netavark", "aardvark-dns", "nftables", "iptables", "podman-compose",
	"docker-registry", "busybox-static",
	"iproute2", "procps", "curl", "jq", "ca-certificates",
}

// stampFile says that a root file system is finished, and what it was made of.
const stampFile = ".stackpolicy-lab-root"

// stampOf is the stamp of what is made today. A root with another one is of
// another make.
func stampOf(suite string) string {
	return suite + " " + strings.Join(packages, " ") + "\n"
}

var suiteName = regexp.MustCompile(`^[a-z]+$`)

// checkSuite refuses what is no release's name: it becomes a folder's name and
// an argument.
func checkSuite(suite string) error {
	if !suiteName.MatchString(suite) {
		return fmt.Errorf("suite %q: want a release's name, such as %s", suite, Trixie)
	}
	return nil
}
