// Package machine boots throwaway Linux machines: a whole Debian in a
// container, with its own systemd, journal and loopback network, a lingering
// user manager and rootless podman. It is for what lab/usermanager cannot show:
// containers that run, timers, the journal, logins and reboots.
//
// Boot is the way in; Stop removes every trace. Machine.Command runs a program
// as the machine's user, Machine.Inside a function that sees its files, and
// Machine.State describes the machine for a test that failed:
//
//	m, err := machine.Boot(ctx, machine.Options{Suite: debian.Bookworm})
//	if err != nil { … }
//	defer m.Stop()
//	out, err := m.Command(ctx, "podman", "info").Output()
//
// It needs root, systemd-nspawn(1), and the root file systems of lab/debian.
// There are no cgroup controllers inside, so no limits on containers, and no
// network but the machine's own.
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

// The machine's user, and where Install puts programs. All are paths inside.
const (
	User     = "ada"
	UID      = 1000
	GID      = 1000
	Home     = "/home/ada"
	StoreDir = "/nix/store" // the user's, and empty
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
	// Log gets the machine's console as it comes; nil keeps it for errors.
	Log io.Writer
}

func (o Options) suite() string {
	if o.Suite == "" {
		return debian.Trixie
	}
	return o.Suite
}

// Machine is a booted machine. Its methods may be called by several goroutines
// at once, but for Reboot and Stop. The owner calls Stop.
type Machine struct {
	// Suite is the Debian release.
	Suite string

	root    string // the root file system that is laid under
	console *console
	scratch *sandbox.Scratch
	cgroup  *sandbox.Cgroup // the root of the machine's view of the cgroups

	running sync.RWMutex // of what a reboot changes:
	space   *sandbox.Namespace
	entry   *Entry
}

// Boot boots a machine and returns when its user manager is up: running or
// degraded. A root file system that is not in the cache yet is made first, which
// takes a minute or two. A failed Boot leaves nothing behind, and its error ends
// in the console's last lines. What dead runs left behind (their process was
// killed before Stop) is removed first.
//
// The machine ends with Stop and with the calling process, not with ctx, which
// bounds the boot alone.
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

// group makes the machine's cgroup, a new one for every boot: Linux 6.18 kills
// what is started in a cgroup in which all was killed before (cgroup.kill).
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

// Reboot cuts the power and boots the machine again from its disk, and returns
// when the user manager is up. /run and /tmp are empty then, as is what podman
// keeps there. The rest is as it was, the journal too. Paths of Path and the
// contents of Environ are other ones. After an error only State, Console and
// Stop are of use.
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

// Console is what the machine has written to its console so far: what systemd
// said of the boot, without colours.
func (m *Machine) Console() string { return m.console.String() }
