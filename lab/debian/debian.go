// Package debian makes root file systems of Debian releases. The lab runs machines and
// user managers in them, to test with other versions of systemd and podman than the
// host's.
//
// Start at Cached. It returns a root file system from a cache, and makes it if it does
// not exist. Callers mount an overlay over it and never write to the root itself.
//
// A root is made with mmdebstrap(1), as root, on a Debian machine. Packages come from
// the mirror in the machine's own apt sources and are checked with its keyring.
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

// packages are what a machine needs: its boot, a lingering user manager,
// rootless podman with networks and compose, and a registry.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd",
	"podman", "crun", "conmon", "catatonit", "uidmap", "fuse-overlayfs", "passt", "slirp4netns",
	"netavark", "aardvark-dns", "nftables", "iptables", "podman-compose",
	"docker-registry", "busybox-static",
	"iproute2", "procps", "curl", "jq", "ca-certificates",
}

// stampFile exists in a finished root file system. Its text is the stamp.
const stampFile = ".stackpolicy-lab-root"

// stampOf returns the suite and the list of packages that a root is made from today. A
// root with another stamp is outdated.
func stampOf(suite string) string {
	return suite + " " + strings.Join(packages, " ") + "\n"
}

var suiteName = regexp.MustCompile(`^[a-z]+$`)

// checkSuite refuses names that cannot be a release's: the name becomes part of a path
// and an argument.
func checkSuite(suite string) error {
	if !suiteName.MatchString(suite) {
		return fmt.Errorf("suite %q: want a release's name, such as %s", suite, Trixie)
	}
	return nil
}
