package machine

import (
	"context"
	"os/exec"
)

// now is the way in as of now. It is the one of a machine that is off when it
// is.
func (m *Machine) now() *Entry {
	m.running.RLock()
	defer m.running.RUnlock()
	if m.entry == nil {
		return &Entry{}
	}
	return m.entry
}

// Command is Entry.Command.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return m.now().Command(ctx, argv...)
}

// RootCommand is Entry.RootCommand.
func (m *Machine) RootCommand(ctx context.Context, argv ...string) *exec.Cmd {
	return m.now().RootCommand(ctx, argv...)
}

// Path is Entry.Path: good until the next reboot.
func (m *Machine) Path(path string) string { return m.now().Path(path) }

// Inside is Entry.Inside.
func (m *Machine) Inside(do func() error) error { return m.now().Inside(do) }

// Write is Entry.Write.
func (m *Machine) Write(path, text string) error { return m.now().Write(path, text) }

// Install is Entry.Install.
func (m *Machine) Install(program string) (path string, err error) { return m.now().Install(program) }

// Environ is Entry.Environ: what another process of the host needs to Enter
// the machine, until the next reboot.
func (m *Machine) Environ() []string { return m.now().Environ() }
