package machine

import (
	"context"
	"os/exec"
)

// currentEntry returns the entry of the running machine. While the machine is off it
// returns the zero Entry, with which every command is an error.
func (m *Machine) currentEntry() *Entry {
	m.running.RLock()
	defer m.running.RUnlock()
	if m.entry == nil {
		return &Entry{}
	}
	return m.entry
}

// Command is Entry.Command.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return m.currentEntry().Command(ctx, argv...)
}

// RootCommand is Entry.RootCommand.
func (m *Machine) RootCommand(ctx context.Context, argv ...string) *exec.Cmd {
	return m.currentEntry().RootCommand(ctx, argv...)
}

// Path is Entry.Path. The result is valid until the next reboot.
func (m *Machine) Path(path string) string { return m.currentEntry().Path(path) }

// Inside is Entry.Inside.
func (m *Machine) Inside(do func() error) error { return m.currentEntry().Inside(do) }

// Write is Entry.Write.
func (m *Machine) Write(path, text string) error { return m.currentEntry().Write(path, text) }

// Install is Entry.Install.
func (m *Machine) Install(program string) (path string, err error) {
	return m.currentEntry().Install(program)
}

// Environ is Entry.Environ: the variables with which another process of the host can
// Enter the machine. They are valid until the next reboot.
func (m *Machine) Environ() []string { return m.currentEntry().Environ() }
