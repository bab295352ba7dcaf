// Package generation writes Home Manager generations without Nix, in the same way as Home
// Manager's build and activation do: a store with the files, and links to them in the home
// folder. It is for tests of programs that read such a home.
//
// Start at Generation. Generation.Build writes the store paths, and Built.Activate the
// links:
//
//	built, err := generation.Generation{Files: map[string]string{
//		".config/systemd/user/web.service": "[Service]\n…",
//	}}.Build(store)
//	if err != nil { … }
//	err = built.Activate(home, generation.Activation{UID: 1000, GID: 1000})
//
// The rules are those of modules/files.nix, modules/files/check-link-targets.sh
// and modules/systemd.nix in Home Manager's source.
package generation

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Generation is what a home configuration declares.
type Generation struct {
	// Files are the declared files: text by path, relative to the home.
	Files map[string]string
	// Links are declared links: target by path relative to the home. A relative
	// target names one of Files from the link's folder, as in a wants link
	// ("../web.service"); the home then has another link to that file's store
	// path. An absolute target is a link out of the store
	// (mkOutOfStoreSymlink).
	Links map[string]string
}

// Built is a generation in a store.
type Built struct {
	// Store is the store's folder.
	Store string
	// Path is the generation, STORE/H-home-manager-generation.
	Path string
	// HomeFiles is the folder of its links, STORE/H-home-manager-files.
	HomeFiles string
	// Sources are the final store paths, by path relative to the home.
	Sources map[string]string
}

// Build writes the generation to a store, which is an existing folder. The same content
// has the same store path; paths that exist are not written again.
func (g Generation) Build(store string) (Built, error) {
	if len(g.Files)+len(g.Links) == 0 {
		return Built{}, errors.New("build a generation: it declares no files")
	}
	built := Built{Store: filepath.Clean(store), Sources: map[string]string{}}
	if err := g.addSources(&built); err != nil {
		return Built{}, fmt.Errorf("build a generation: %w", err)
	}
	if err := built.addFolders(); err != nil {
		return Built{}, fmt.Errorf("build a generation: %w", err)
	}
	return built, nil
}

func (g Generation) addSources(built *Built) error {
	for _, rel := range slices.Sorted(maps.Keys(g.Files)) {
		if err := checkRelative(rel); err != nil {
			return err
		}
		source, err := addFile(built.Store, rel, g.Files[rel])
		if err != nil {
			return err
		}
		built.Sources[rel] = source
	}
	for _, rel := range slices.Sorted(maps.Keys(g.Links)) {
		source, err := g.linkSource(*built, rel)
		if err != nil {
			return err
		}
		built.Sources[rel] = source
	}
	return nil
}

// linkSource returns the store path of a declared link.
func (g Generation) linkSource(built Built, rel string) (string, error) {
	if err := checkRelative(rel); err != nil {
		return "", err
	}
	if _, twice := g.Files[rel]; twice {
		return "", fmt.Errorf("conflicting managed target files: %q", rel)
	}
	target := g.Links[rel]
	if path.IsAbs(target) {
		return addLink(built.Store, rel, target)
	}
	source, found := built.Sources[path.Join(path.Dir(rel), target)]
	if !found {
		return "", fmt.Errorf("link %q: no file is declared at %q", rel, target)
	}
	return source, nil
}

// checkRelative refuses a path that is not below the home.
func checkRelative(rel string) error {
	if !filepath.IsLocal(rel) || path.Clean(rel) != rel {
		return fmt.Errorf("path %q: want a clean path relative to the home", rel)
	}
	return nil
}

// addFolders writes home-manager-files and home-manager-generation.
func (b *Built) addFolders() (err error) {
	if b.HomeFiles, err = addTree(b.Store, "home-manager-files", b.Sources); err != nil {
		return err
	}
	b.Path, err = addTree(b.Store, "home-manager-generation", map[string]string{"home-files": b.HomeFiles})
	return err
}

// isUnit reports whether path is that of a systemd.user unit. The store path of a unit is
// a folder with a file of the unit's name in it, because systemd takes a unit's name from
// the end of its links.
func isUnit(rel string) bool {
	folder := path.Dir(rel)
	if folder != "systemd/user" && !strings.HasSuffix(folder, "/systemd/user") {
		return false
	}
	return slices.Contains([]string{
		".service", ".socket", ".target", ".timer", ".path", ".slice", ".mount", ".automount",
	}, path.Ext(rel))
}
