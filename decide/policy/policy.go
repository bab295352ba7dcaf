// Package policy reads a policy folder: its rules with their METADATA, its
// settings and its runbooks. Whether the rules themselves are sound is for
// package lint to say, and what they decide for package decide.
//
// Start at [Read]. Everything wrong with a folder is collected in its
// [Refusal].
package policy

import (
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Folder is a policy folder that was read.
type Folder struct {
	Rules      map[string]*ast.Module // by file name, without the tests
	Invariants []*Invariant           // sorted by id
	Settings   Settings
	Digest     string // see [files.digest]
	Refusal    *Refusal

	settings *settingsDoc
}

// Read reads the folder. Whoever goes on with it asks its Refusal for an error
// first; name is put before file names there.
func Read(fsys fs.FS, name string) *Folder {
	refusal := NewRefusal(name)
	files := readFiles(fsys, refusal)
	settings := parseSettings(files, refusal)
	modules := ParseModules(files.rules, refusal)
	invariants := readInvariants(files, modules, refusal)
	settings.checkInvariants(invariants, refusal)
	return &Folder{
		Rules: modules, Invariants: invariants, Settings: settings.Settings,
		Digest: files.digest(), Refusal: refusal, settings: settings,
	}
}

// RefuseSetting adds a problem at the line of a setting, e.g. "grace.ID".
func (f *Folder) RefuseSetting(path, format string, args ...any) {
	f.settings.problem(f.Refusal, path, format, args...)
}
