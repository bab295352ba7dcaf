package usermanager

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The account of a manager that root starts. No distribution and no login program uses
// ids in this range.
const (
	accountName = "alice"
	accountID   = 61000
)

func (m *Manager) chooseAccount() {
	m.Username, m.UID, m.GID = accountName, accountID, accountID
	if os.Geteuid() != 0 {
		m.UID, m.GID = os.Geteuid(), os.Getegid()
	}
}

// writeAccount writes the user and group databases that the manager reads: those of the
// root file system, with the account before all others, because the first match counts.
func (m *Manager) writeAccount() error {
	user := fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", m.Username, m.UID, m.GID, m.Home)
	if err := m.prepend("passwd", user); err != nil {
		return err
	}
	return m.prepend("group", fmt.Sprintf("%s:x:%d:\n", m.Username, m.GID))
}

func (m *Manager) prepend(name, entry string) error {
	rest, err := os.ReadFile(filepath.Join("/", m.options.Root, "etc", name))
	if err != nil {
		return fmt.Errorf("read the accounts: %w", err)
	}
	path := filepath.Join(m.Dir, name)
	if err := os.WriteFile(path, []byte(entry+string(rest)), 0o644); err != nil {
		return fmt.Errorf("write the accounts: %w", err)
	}
	return os.Chmod(path, 0o644)
}

// environment returns the whole environment of the manager and of commands.
func (m *Manager) environment() []string {
	path := []string{m.BinDir, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"}
	env := []string{
		"HOME=" + m.Home,
		"USER=" + m.Username,
		"LOGNAME=" + m.Username,
		"SHELL=/bin/sh",
		"LANG=C.UTF-8",
		"TMPDIR=" + filepath.Join(m.Dir, "tmp"),
		"PATH=" + strings.Join(path, ":"),
		"XDG_RUNTIME_DIR=" + m.RuntimeDir,
	}
	if address := m.BusAddress(); address != "" {
		env = append(env, "DBUS_SESSION_BUS_ADDRESS="+address)
	}
	return append(env, m.options.Env...)
}
