// Package machine boots throwaway Linux machines. Each is a Debian in a container, with
// its own systemd, journal, loopback network, lingering user manager and rootless podman.
// Use it for what lab/usermanager cannot do: run containers, fire timers, read the
// journal, log in, reboot.
//
// Start at Boot; Stop removes everything. Machine.Command runs a program as the machine's
// user. Machine.Inside calls a function that sees the machine's files. Machine.State
// describes the machine when a test has failed.
//
//	m, err := machine.Boot(ctx, machine.Options{Suite: debian.Bookworm})
//	if err != nil { … }
//	defer m.Stop()
//	out, err := m.Command(ctx, "podman", "info").Output()
//
// It needs root, systemd-nspawn(1), and the root file systems of lab/debian.
// The machine has no cgroup controllers, so containers have no limits, and it has no
// network except its own loopback.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/sandbox"
)

// The machine's user, and where Install puts programs. All are paths inside. The name is one
// that systemd escapes in the names of units; the home has another name than the user.
const (
	User     = "build-bot"
	UID      = 1000
	GID      = 1000
	Home     = "/home/ada"
	StoreDir = "/nix/store" // empty, belongs to the user
	BinDir   = "/usr/local/bin"
)

// bootTimeout bounds the wait for the user manager. A first boot takes two to
// four seconds on two cores.
const bootTimeout = 60 * time.Second

// scratchPrefix begins the names of machines' folders, and of their cgroups.
const scratchPrefix = "stackpolicy-machine-"

// Options says what kind of machine to boot. The zero value is a trixie.
type Options struct {
	// Suite is the Debian release, "" for debian.Trixie.
	Suite string
	// Log gets the text of the machine's console while it is written. If nil, only
	// errors show it.
	Log io.Writer
}

func (o Options) suite() string {
	if o.Suite == "" {
		return debian.Trixie
	}
	return o.Suite
}

// Machine is a booted machine. Its methods may be called by several goroutines
// at once, except Reboot and Stop. The owner calls Stop.
type Machine struct {
	// Suite is the Debian release.
	Suite string

	root    string // the root file system below the overlay
	console *console
	scratch *sandbox.Scratch
	cgroup  *sandbox.Cgroup // the machine sees it as the root of all cgroups

	running sync.RWMutex // guards what a reboot changes:
	space   *sandbox.Namespace
	entry   *Entry
}

// Boot boots a machine and returns when its user manager is up: running or
// degraded. If the root file system is not in the cache, it is made first, which takes a
// minute or two. A failed Boot leaves nothing behind, and its error ends with the
// console's last lines. Boot also removes what earlier processes left behind that were
// killed before they called Stop.
//
// ctx bounds only the boot. The machine runs until Stop, or until the calling process
// ends.
func Boot(ctx context.Context, options Options) (*Machine, error) {
	root, err := debian.Cached(ctx, options.suite())
	if err != nil {
		return nil, fmt.Errorf("boot a machine: %w", err)
	}
	sandbox.Sweep(os.TempDir(), scratchPrefix)
	m := &Machine{Suite: options.suite(), root: root, console: &console{tee: options.Log}}
	if err = m.prepare(); err == nil {
		err = m.boot(ctx)
	}
	if err != nil {
		err = fmt.Errorf("boot a machine: %w\nits console:\n%s", err, m.console.tail())
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// prepare makes the machine's folder and disk.
func (m *Machine) prepare() (err error) {
	if m.scratch, err = sandbox.NewScratch(os.TempDir(), scratchPrefix); err != nil {
		return err
	}
	return m.layOut()
}

// boot starts the machine on its disk.
func (m *Machine) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	if err := m.group(); err != nil {
		return err
	}
	space, err := m.enter(ctx)
	if err != nil {
		return err
	}
	m.setRunning(space, nil)
	entry, err := waitReady(ctx, space, m.cgroup.Dir)
	if err != nil {
		return err
	}
	m.setRunning(space, entry)
	return nil
}

// group makes a new cgroup for every boot. After a write to cgroup.kill, Linux 6.18 also
// kills every process that is started in that cgroup later.
func (m *Machine) group() (err error) {
	if m.cgroup, err = sandbox.NewCgroup(filepath.Base(m.scratch.Dir)); err != nil {
		return err
	}
	return m.scratch.Record(m.cgroup)
}

func (m *Machine) setRunning(space *sandbox.Namespace, entry *Entry) {
	m.running.Lock()
	defer m.running.Unlock()
	m.space, m.entry = space, entry
}

// Reboot cuts the power, boots the machine again from its disk, and returns when the user
// manager is up. /run and /tmp are then empty, with what podman keeps there. All other
// files are kept, the journal too. Results of Path and Environ from before are invalid.
// After an error only State, Console and Stop may be called.
func (m *Machine) Reboot(ctx context.Context) error {
	if err := m.cut(); err != nil {
		return fmt.Errorf("reboot the machine: %w", err)
	}
	if err := m.boot(ctx); err != nil {
		return fmt.Errorf("reboot the machine: %w\nits console:\n%s", err, m.console.tail())
	}
	return nil
}

// cut ends every process of the machine at once.
func (m *Machine) cut() error {
	m.running.RLock()
	space, entry := m.space, m.entry
	m.running.RUnlock()
	if space != nil {
		if err := space.Stop(); err != nil {
			return err
		}
	}
	if m.cgroup != nil {
		if err := m.cgroup.Remove(); err != nil {
			return err
		}
	}
	if entry != nil {
		entry.Close()
	}
	m.setRunning(nil, nil)
	return nil
}

// Stop cuts the power and removes the machine: its processes, mounts, cgroup
// and folder, within a few seconds. The error names what is left; a second call
// tries again.
func (m *Machine) Stop() error {
	err := m.cut()
	if err == nil && m.scratch != nil {
		err = m.scratch.Remove()
	}
	if err != nil {
		return fmt.Errorf("stop the machine: %w", err)
	}
	return nil
}

// Console returns what the machine has written to its console so far: systemd's messages
// about the boot, without colours.
func (m *Machine) Console() string { return m.console.String() }
