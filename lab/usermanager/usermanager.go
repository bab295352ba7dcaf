// Package usermanager runs a throwaway systemd user manager. It is the real
// `systemd --user`, run as an ordinary account with its own home and its own
// /etc/systemd/user. It has no connection to the host's managers.
//
// Start at Start; Stop removes everything. Manager.Command runs a program in the
// manager's namespaces. Manager.Path returns the host's path of a file there.
//
//	manager, err := usermanager.Start(ctx, usermanager.Options{})
//	if err != nil { … }
//	defer manager.Stop()
//	out, err := manager.Command(ctx, "systemctl", "--user", "list-units").Output()
//
// If root starts it, the manager belongs to an account that exists only in its
// namespaces. If an ordinary user starts it, the manager belongs to that user, in a user
// namespace, and the calling process needs a cgroup that the user can write to:
// `systemd-run --user --scope --property=Delegate=yes`.
//
// It has no system bus and no cgroup controllers, and its journal is only
// Manager.Journal. Use lab/machine for what needs these, or needs containers.
package usermanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"stackpolicy/lab/sandbox"
)

// startTimeout bounds the wait until the manager is up.
const startTimeout = 10 * time.Second

// Options says what kind of manager to start. The zero value is the host's own
// systemd, with a bus, a lingering account and the real unit path.
type Options struct {
	// Root is the root file system to run in, as lab/root makes it; "" is the
	// host's own. It is never written to: changes are kept in memory until the
	// manager ends. With a Root, TMPDIR must be below /tmp or /var/tmp.
	Root string
	// UnitPath replaces the manager's unit path ($SYSTEMD_UNIT_PATH): no other
	// folder is read. nil keeps the real order, with the control and transient
	// folders, ~/.config, /etc and /usr/lib.
	UnitPath []string
	// NoBus starts no D-Bus daemon. Then only the manager's own socket,
	// $XDG_RUNTIME_DIR/systemd/private, answers.
	NoBus bool
	// NoLinger leaves out /var/lib/systemd/linger/USER, which is there
	// otherwise.
	NoLinger bool
	// Env holds more variables (KEY=value) for the manager and for every
	// command.
	Env []string
	// UserConf is the text of the manager's configuration,
	// /etc/systemd/user.conf.
	UserConf string
	// Log gets a copy of the text of Manager.Log while it is written.
	Log io.Writer
}

// Manager is a running user manager. Its fields do not change, and its methods
// may be called by several goroutines at once. The owner calls Stop.
type Manager struct {
	// Dir is the scratch folder that holds everything below, at the same
	// path inside and outside.
	Dir string
	// Home, RuntimeDir ($XDG_RUNTIME_DIR) and StoreDir (a Nix store, empty)
	// belong to the account.
	Home, RuntimeDir, StoreDir string
	// BinDir is the first folder in the PATH of commands; see Install.
	BinDir string
	// Username, UID and GID name the account. Outside of the manager's
	// namespaces, UID and GID are the owners of its files too.
	Username string
	UID, GID int
	// PID is the manager's process id as the host sees it.
	PID int
	// Version is systemd's version, as D-Bus returns it: free text, such as
	// "252.39-1~deb12u2".
	Version string

	options Options
	tools   tools
	scratch *sandbox.Scratch
	cgroup  *sandbox.Cgroup
	space   *namespace
	log     *logBuffer
	journal *journal
	relays  sync.Mutex
}

// Start starts a user manager and returns when it is up, which means that its
// SystemState is running or degraded. After ten seconds it returns an error that ends with
// the manager's own messages. A failed Start leaves nothing behind. Start also removes
// what earlier processes left behind that were killed before they called Stop.
//
// ctx bounds only the start. The manager runs until Stop, or until the calling process
// ends.
func Start(ctx context.Context, options Options) (*Manager, error) {
	tools, err := findTools(options)
	if err != nil {
		return nil, err
	}
	sandbox.Sweep(os.TempDir(), scratchPrefix)
	m := &Manager{options: options, tools: tools, log: &logBuffer{tee: options.Log}}
	if err := m.start(ctx); err != nil {
		err = fmt.Errorf("start a user manager: %w", err)
		return nil, errors.Join(m.explain(err), m.Stop())
	}
	return m, nil
}

func (m *Manager) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	m.chooseAccount()
	if m.scratch, err = newScratch(os.TempDir()); err != nil {
		return err
	}
	if err := m.layOut(); err != nil {
		return err
	}
	if m.journal, err = newJournal(filepath.Join(m.Dir, "journal"), m.log); err != nil {
		return err
	}
	if m.cgroup, err = newCgroup(filepath.Base(m.Dir), m.UID, m.GID); err != nil {
		return err
	}
	if err := m.scratch.Record(m.cgroup); err != nil {
		return err
	}
	if m.space, err = m.enter(ctx); err != nil {
		return err
	}
	return m.waitReady(ctx)
}

// layOut fills the scratch folder.
func (m *Manager) layOut() error {
	m.Dir = m.scratch.Dir
	m.Home = filepath.Join(m.Dir, "home", m.Username)
	m.RuntimeDir = filepath.Join(m.Dir, "run")
	m.StoreDir = filepath.Join(m.Dir, "nix", "store")
	m.BinDir = filepath.Join(m.Dir, "bin")
	folders := []struct {
		path string
		mode os.FileMode
		own  bool
	}{
		{filepath.Join(m.Dir, "ns"), 0o755, false},
		{filepath.Join(m.Dir, "tmp"), 0o1777, false},
		{m.BinDir, 0o755, false},
		{m.Home, 0o755, true},
		{m.RuntimeDir, 0o700, true},
		{m.StoreDir, 0o755, true},
	}
	for _, folder := range folders {
		if err := makeFolder(folder.path, folder.mode); err != nil {
			return err
		}
		if !folder.own {
			continue
		}
		if err := os.Chown(folder.path, m.UID, m.GID); err != nil {
			return fmt.Errorf("own the scratch folder: %w", err)
		}
	}
	return m.writeConfiguration()
}

func (m *Manager) writeConfiguration() error {
	if err := m.writeAccount(); err != nil {
		return err
	}
	if m.options.UserConf == "" {
		return nil
	}
	path := filepath.Join(m.Dir, "user.conf")
	if err := os.WriteFile(path, []byte(m.options.UserConf), 0o644); err != nil {
		return fmt.Errorf("write the manager's configuration: %w", err)
	}
	return nil
}

// Path returns the host's path of a file in the manager's namespaces, such as
// /etc/systemd/user. An absolute link in that path leads into the host's own tree. Paths
// below Dir are the same inside and outside.
func (m *Manager) Path(path string) string {
	return filepath.Join("/proc", fmt.Sprint(m.space.Init), "root", path)
}

// PrivateSocket returns the manager's own D-Bus socket, which needs no bus daemon.
// Commands can use it; the calling process uses Dial.
func (m *Manager) PrivateSocket() string {
	return filepath.Join(m.RuntimeDir, "systemd", "private")
}

// BusAddress returns the address of the account's bus, for commands. It is "" with
// Options.NoBus.
func (m *Manager) BusAddress() string {
	if m.options.NoBus {
		return ""
	}
	return "unix:path=" + filepath.Join(m.RuntimeDir, "bus")
}

// Install copies a program into BinDir, so that the account can run it, and returns its
// path there. A test's own binary is often in a folder that only one account can enter.
func (m *Manager) Install(program string) (string, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return "", fmt.Errorf("install a program: %w", err)
	}
	path := filepath.Join(m.BinDir, filepath.Base(program))
	if err := os.WriteFile(path, data, 0o755); err != nil {
		return "", fmt.Errorf("install a program: %w", err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return "", fmt.Errorf("install a program: %w", err)
	}
	return path, nil
}

// Journal returns what the manager, its services and commands have logged so far, oldest
// first. An entry has the journal's fields: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, and
// USER_UNIT if the manager reports about a unit. The output of a service has the program's
// name as identifier, and no unit. Fields that journald adds are missing, and journalctl
// does not work.
func (m *Manager) Journal() []map[string]string { return m.journal.all() }

// Log returns the messages of Journal and the manager's standard error, as text.
func (m *Manager) Log() string { return m.log.String() }

// explain adds the end of the manager's log to an error.
func (m *Manager) explain(err error) error {
	const keep = 20
	lines := strings.Split(strings.TrimSpace(m.log.String()), "\n")
	if len(lines) > keep {
		lines = lines[len(lines)-keep:]
	}
	text := strings.Join(lines, "\n")
	if text == "" {
		text = "(nothing)"
	}
	return fmt.Errorf("%w\nthe manager's log:\n%s", err, text)
}

// Stop kills every process of the manager and removes its namespaces, cgroup and folders,
// within a few seconds. Services are killed without a stop. The error names what is left;
// a second call tries again.
func (m *Manager) Stop() error {
	var errs []error
	if m.space != nil {
		errs = append(errs, m.space.stop())
	}
	if m.journal != nil {
		m.journal.close()
	}
	if m.cgroup != nil {
		errs = append(errs, m.cgroup.Remove())
	}
	if m.scratch != nil && errors.Join(errs...) == nil {
		errs = append(errs, m.scratch.Remove())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the user manager: %w", err)
	}
	return nil
}
