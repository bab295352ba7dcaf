// Package policy reads a policy folder: its rules with their METADATA, its settings and its
// runbooks. Package lint checks the rules, and package decide evaluates them.
//
// Start at [Read]. All mistakes in a folder are collected in its [Refusal].
package policy

import (
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Folder is a parsed policy folder.
type Folder struct {
	Rules      map[string]*ast.Module // by file name, without the tests
	Invariants []*Invariant           // sorted by id
	Settings   Settings
	Digest     string // sha256:… over the names and contents of the files that decisions depend on
	Refusal    *Refusal

	settings *settingsDoc
}

// Read opens and parses a folder.
func Read(fsys fs.FS, name string) *Folder { return Parse(Open(fsys, name)) }

// Parse parses a folder. Before you use the folder, check the error of its Refusal.
func Parse(s Source) *Folder {
	refusal := s.NewRefusal()
	refusal.Problems = s.Problems
	rules, prose := s.texts(isRule), s.texts(isProse)
	settings := parseSettings(s.texts(isSettings)[SettingsFile], refusal)
	modules := parseModules(rules, refusal)
	s.checkAdditions(modules, refusal)
	invariants := readInvariants(rules, prose, modules, refusal)
	settings.checkInvariants(invariants, refusal)
	return &Folder{
		Rules: modules, Invariants: invariants, Settings: settings.Settings,
		Digest: s.digest(), Refusal: refusal, settings: settings,
	}
}

// RefuseSetting adds a problem at the line of a setting, e.g. "grace.ID".
func (f *Folder) RefuseSetting(path, format string, args ...any) {
	f.settings.problem(f.Refusal, path, format, args...)
}
