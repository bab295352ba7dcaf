package machine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// storage.conf is missing in the root file system, and without it podman 4.3
// takes vfs, which copies the whole image for every container.
const storageConf = `[storage]
driver = "overlay"
`

// pids_limit: rootless podman cannot limit processes without the pids controller.
// keyring: nspawn's system call filter refuses a keyring for the container, and crun then
// exits with 126. default_ulimits: without them podman 4.3 raises limits above those of
// nspawn, which is not permitted.
const containersConf = `[containers]
pids_limit = 0
keyring = false
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
`

const registriesConf = `[[registry]]
location = "` + registryAddress + `"
insecure = true
`

// masked are system units that wait for a network or only cost time.
var masked = []string{
	"podman.service", "podman.socket", "podman-auto-update.service", "podman-auto-update.timer",
	"podman-restart.service", "podman-clean-transient.service", "docker-registry.service",
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
	"console-getty.service", "systemd-networkd-wait-online.service",
}

// layOut fills the machine's folder. The disk is the upper layer over the root file
// system and holds all configuration. The home is a plain folder, because podman cannot
// put its overlays on an overlay.
func (m *Machine) layOut() error {
	if err := checkOverlay(m.root, m.scratch.Dir); err != nil {
		return err
	}
	folders := []struct {
		path string
		uid  int
	}{
		{m.scratch.Path("ns"), 0},
		{m.scratch.Path("work"), 0},
		{m.scratch.Path("home"), UID},
		{m.disk(StoreDir), UID},
		{m.disk("/var/log/journal"), 0}, // without it the journal is volatile
		{m.disk("/var/lib/systemd/linger"), 0},
		{m.disk("/etc/systemd/system"), 0},
		{m.disk("/etc/systemd/user"), 0},
	}
	for _, folder := range folders {
		if err := makeFolder(folder.path); err != nil {
			return err
		}
		if err := os.Chown(folder.path, folder.uid, folder.uid); err != nil {
			return fmt.Errorf("make the machine's folders: %w", err)
		}
	}
	return errors.Join(m.writeFiles(), m.mask())
}

// disk returns the path of a file on the machine's disk, while the machine is off.
func (m *Machine) disk(path string) string { return m.scratch.Path(filepath.Join("upper", path)) }

// checkOverlay refuses paths with characters that separate mount(8)'s options.
func checkOverlay(dirs ...string) error {
	for _, dir := range dirs {
		if strings.ContainsAny(dir, `,:\`) {
			return fmt.Errorf("folder %q: an overlay takes no comma, colon or backslash in a path", dir)
		}
	}
	return nil
}

func (m *Machine) writeFiles() error {
	id, err := machineID()
	if err != nil {
		return err
	}
	account := fmt.Sprintf("%s:x:%d:%d::%s:/bin/bash\n", User, UID, GID, Home)
	files := map[string]string{
		"/etc/hostname":                             "lab\n",
		"/etc/hosts":                                "127.0.0.1 localhost lab\n::1 localhost\n",
		"/etc/machine-id":                           id,
		"/etc/subuid":                               User + ":100000:65536\n",
		"/etc/subgid":                               User + ":100000:65536\n",
		"/etc/containers/storage.conf":              storageConf,
		"/etc/containers/containers.conf":           containersConf,
		"/etc/containers/registries.conf.d/50.conf": registriesConf,
		"/etc/systemd/system/" + registryUnit:       registryService,
		registryConfig:                              registrySettings,
		"/var/lib/systemd/linger/" + User:           "",
	}
	for name, entry := range map[string]string{
		"/etc/passwd": account,
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", User, GID),
		"/etc/shadow": User + ":*:::::::\n",
	} {
		rest, err := os.ReadFile(filepath.Join(m.root, name))
		if err != nil {
			return fmt.Errorf("read the accounts: %w", err)
		}
		files[name] = string(rest) + entry
	}
	for name, text := range files {
		if err := writeFile(m.disk(name), text); err != nil {
			return err
		}
	}
	return os.Chmod(m.disk("/etc/shadow"), 0o600)
}

func (m *Machine) mask() error {
	for _, unit := range masked {
		if err := os.Symlink("/dev/null", m.disk("/etc/systemd/system/"+unit)); err != nil {
			return fmt.Errorf("mask %s: %w", unit, err)
		}
	}
	// Quadlets order themselves after it, and it waits 90 s for a network.
	if err := os.Symlink("/dev/null", m.disk("/etc/systemd/user/podman-user-wait-network-online.service")); err != nil {
		return fmt.Errorf("mask a user unit: %w", err)
	}
	return nil
}

// machineID returns a new id in the format of machine-id(5). A machine keeps it when it
// reboots, so the journal's folder stays the same.
func machineID() (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	return hex.EncodeToString(id) + "\n", nil
}

// writeFile writes a file that everybody can read, and makes its folders. The umask has
// no effect.
func writeFile(path, text string) error {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the machine's files: %w", err)
	}
	return os.Chmod(path, 0o644)
}

// makeFolder makes a folder that everybody can enter. The umask has no effect.
func makeFolder(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return fmt.Errorf("make the machine's folders: %w", err)
	}
	return os.Chmod(path, 0o755)
}
