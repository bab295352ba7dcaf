// Package drift compares a unit as the manager has it loaded with the unit as
// it is on disk. Nothing here reads a file or asks a manager: all functions
// work on what was collected before.
//
// Start at [Unit] and its methods: Mark says which files are in use, loaded and
// changed since; Compare finds settings and links that differ; Reload predicts
// what a daemon-reload would do.
package drift

import (
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// Manager has the facts that all units of one manager share.
type Manager struct {
	LoadedAt time.Time // when it last read unit files
	Now      time.Time
	Loaded   map[string]bool // the units that were in its memory, with a definition, before the audit
	NoUphold bool            // it reads no .upholds folders, as systemd before 253
}

// Unit is one unit as loaded and as on disk.
type Unit struct {
	Loaded   systemd.Unit
	JustRead bool // it was not in memory: the manager read it from disk for this audit
	Files    []File
	Manager  *Manager
}

// wasJustRead reports whether the manager read the file for this audit. A generator does not
// run for that: what it reads was last read at the manager's last reload.
func (u *Unit) wasJustRead(f File) bool {
	return u.JustRead && f.Role != facts.RoleSource && f.Role != facts.RoleSourceDropIn
}

// pulledInBy lists the units that pull this one in, as loaded: kind is wants,
// requires or upholds.
func (u *Unit) pulledInBy(kind string) []string {
	switch kind {
	case "wants":
		return u.Loaded.WantedBy
	case "requires":
		return u.Loaded.RequiredBy
	}
	return u.Loaded.UpheldBy
}

// pulledIn lists the units that this one pulls in by links of a role, as loaded. D-Bus
// says the same of settings.
func (u *Unit) pulledIn(role string) []string {
	switch role {
	case facts.RoleOwnWants:
		return u.Loaded.Wants
	case facts.RoleOwnRequires:
		return u.Loaded.Requires
	case facts.RoleOwnUpholds:
		return u.Loaded.Upholds
	}
	return u.Loaded.BindsTo
}

// File is a file that can define or alter a unit. Hidden means that systemd ignores it,
// because of another file of the same name or because of its folder. Refused means that
// podman's generator makes no unit from it.
type File struct {
	facts.File
	Hidden, Refused bool
}

// clockSlack is one tick of the kernel's coarse clock. The time of a change can be that
// much too early, so a change right after a load can have a time right before it.
const clockSlack = 10 * time.Millisecond

// IsAfterLoad reports whether something that happened at t may be later than
// the last load. If the clock was set back since the load, times cannot be
// compared, and the answer is yes.
func (m *Manager) IsAfterLoad(t time.Time) bool {
	clockWasSetBack := m.LoadedAt.After(m.Now.Add(time.Second))
	return clockWasSetBack || !t.Before(m.LoadedAt.Add(-clockSlack))
}

// exists reports whether there is anything at the file's path.
func (f File) exists() bool { return f.Kind != unitfile.Missing }

// isLink reports whether the file is a link in a .wants, .requires or .upholds
// folder, of another unit or of this one.
func (f File) isLink() bool { return f.Of != "" }

// isDeclared reports whether the file on disk is the one that is declared.
func (f File) isDeclared() bool {
	return f.State == facts.StateDeclared || f.State == facts.StateIdentical
}
