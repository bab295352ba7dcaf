package collect

import (
	"path/filepath"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/internal/homemanager"
)

// Place is a file or folder on which a document depends.
type Place struct {
	Path string
	// Depth is how far what is in a folder counts: 0 is not at all, 1 the names in it, 2 those
	// in its folders, too.
	Depth int
}

// Places lists where a change on disk may make another document, of which doc is the last one.
// They may or may not exist. What only the clock, the network or the kernel changes has none.
func Places(env Environment, doc *facts.Document) []Place {
	var places []Place
	add := func(depth int, paths ...string) {
		for _, path := range paths {
			if filepath.IsAbs(path) {
				places = append(places, Place{filepath.Clean(path), depth})
			}
		}
	}
	if doc.Manager != nil {
		add(2, doc.Manager.UnitPath...)
	}
	add(2, env.UnitDir(), env.DataUnitDir())
	add(1+maxDepth, env.quadletFolders()...)
	for _, p := range env.managerPlaces() {
		if p.file != "" {
			add(0, filepath.Join(p.folder, p.file))
		} else {
			add(1, p.folder)
		}
	}
	add(1, homemanager.Roots(env.StateHome, env.Name)...)
	add(1, env.LocalDir(), applied.Folder(env.StateHome))
	add(0, env.releasePlaces()...)
	add(0, filepath.Join(env.LingerDir, env.Name), filepath.Join(env.EtcDir, "passwd"), filepath.Join(env.EtcDir, "group"))
	for _, s := range env.Config.Stacks {
		add(0, s.Compose...)
		for _, f := range slices.Concat(s.EnvFiles, s.Secrets) {
			add(0, f.Path)
		}
	}
	for _, u := range doc.Units {
		if !u.IsManaged() {
			continue
		}
		for _, f := range u.Files {
			add(0, f.FirstHop, f.Target)
		}
	}
	return places
}
