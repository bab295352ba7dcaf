// Package usermanager runs a throwaway systemd user manager, for tests and for
// trying things out: the real `systemd --user`, as an ordinary account, with
// its own home, its own /etc/systemd/user and nothing of the host's managers.
//
// Start is the way in; Stop removes every trace. Manager.Command runs a
// program beside the manager, and Manager.Path names a file as it sees it:
//
//	manager, err := usermanager.Start(ctx, usermanager.Options{})
//	if err != nil { … }
//	defer manager.Stop()
//	out, err := manager.Command(ctx, "systemctl", "--user", "list-units").Output()
//
// Run as root, the manager belongs to an account that exists only inside.
// Run as an ordinary user it belongs to that user, inside a user namespace,
// and needs a cgroup that the user may write to, as from
// `systemd-run --user --scope --property=Delegate=yes`.
//
// There is no system bus inside, no cgroup controller, and of the journal no
// more than Manager.Journal. What needs those, or containers that run, needs a
// whole machine.
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

// startTimeout bounds the wait for the manager to be up.
const startTimeout = 10 * time.Second

// Options says what kind of manager to start. The zero value is the host's own
// systemd, with a bus, a lingering account and the real unit path.
type Options struct {
	// Root is the root file system to run in, a folder such as lab/root
	// makes; "" is the host's own. It is never written to: changes go to
	// memory and end with the manager. An ordinary user can change no more of
	// it than of the host's, and TMPDIR has to be below /tmp or /var/tmp.
	Root string
	// UnitPath replaces the manager's unit path ($SYSTEMD_UNIT_PATH), which
	// leaves out every other folder; nil keeps the real order, with the
	// control and transient folders, ~/.config, /etc and /usr/lib.
	UnitPath []string
	// NoBus leaves the D-Bus daemon out: what remains is the manager's own
	// socket, $XDG_RUNTIME_DIR/systemd/private.
	NoBus bool
	// NoLinger leaves out /var/lib/systemd/linger/USER, which otherwise
	// stands.
	NoLinger bool
	// Env are further variables (KEY=value) for the manager and for every
	// command.
	Env []string
	// UserConf is the text of the manager's configuration,
	// /etc/systemd/user.conf.
	UserConf string
	// Log also gets the text of Manager.Log as it comes.
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
	// BinDir is first in the PATH of commands; see Install.
	BinDir string
	// Username, UID and GID name the account. Outside of the manager's
	// namespaces, UID and GID are the owners of its files too.
	Username string
	UID, GID int
	// PID is the manager's process id as the host sees it.
	PID int
	// Version is systemd's, as D-Bus has it: free text, such as
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

// Start starts a user manager and returns when it is up: when its SystemState
// is running or degraded, or after ten seconds, with an error that ends in the
// manager's own words. A failed Start leaves nothing behind. What dead runs
// left behind (their process was killed before Stop) is removed first.
//
// The manager ends with Stop and with the calling process, not with ctx, which
// bounds the start alone.
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

// layOut makes the scratch folder's contents.
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

// Path names a file of the manager's view of the machine by a path that is
// good outside: use it for /etc/systemd/user and whatever else only exists
// inside. An absolute link below it still leads into the host's own tree. What
// is below Dir needs no translation.
func (m *Manager) Path(path string) string {
	return filepath.Join("/proc", fmt.Sprint(m.space.Init), "root", path)
}

// PrivateSocket is the manager's own D-Bus socket, which answers without a bus
// daemon. It answers commands; the calling process itself uses Dial.
func (m *Manager) PrivateSocket() string {
	return filepath.Join(m.RuntimeDir, "systemd", "private")
}

// BusAddress is the address of the account's bus, for commands; "" with
// Options.NoBus.
func (m *Manager) BusAddress() string {
	if m.options.NoBus {
		return ""
	}
	return "unix:path=" + filepath.Join(m.RuntimeDir, "bus")
}

// Install copies a program into BinDir, where the account may run it, and
// returns its path. A test's own binary is often in a folder that only its
// builder may enter.
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

// Journal returns what the manager, its services and commands have logged so
// far, oldest first, as the journal's fields: MESSAGE, PRIORITY,
// SYSLOG_IDENTIFIER, and USER_UNIT for what the manager says of a unit. What a
// service writes to its output has its program's name as identifier and no
// unit. Fields that journald itself adds are missing, and so is journalctl.
func (m *Manager) Journal() []map[string]string { return m.journal.all() }

// Log returns the messages of Journal, and what else was written to standard
// error, as text.
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

// Stop ends every process of the manager and removes its namespaces, cgroup
// and folders, within a few seconds. Services get no time to end in order. The
// error names what is left; a second call tries again.
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
