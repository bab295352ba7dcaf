package facts

import (
	"path/filepath"
	"slices"

	"stackpolicy/internal/unitfile"
)

// What a file is to the declaration. See the schema of File.State.
const (
	stateDeclared   = "declared"
	stateIdentical  = "identical"
	stateDifferent  = "different"
	stateOther      = "other-generation"
	stateMissing    = "missing"
	stateDangling   = "dangling"
	stateForeign    = "foreign-link"
	stateMask       = "mask"
	stateDirectory  = "directory"
	stateUnsafe     = "unsafe"
	stateUnreadable = "unreadable"
	stateUndeclared = "undeclared"
	stateGenerated  = "generated"
)

// state judges a file against what declares it: the Home Manager generation,
// or, for a unit that only the configuration manages, the user's own folder.
func (v *view) state(f unitfile.File, out File) (string, error) {
	switch {
	case out.DeclaredTarget != "":
		return v.againstGeneration(f, out.DeclaredTarget)
	case v.unit.Quadlet && out.Origin == originGenerator:
		return stateGenerated, nil
	case v.unit.ManagedBy == byConfig && out.Origin == originUser:
		return v.asDeclaration(f), nil
	case v.generation != nil && v.generation.Owns(f.FirstHop):
		return stateOther, nil
	case f.Target == "/dev/null":
		return stateMask, nil
	}
	return stateUndeclared, nil
}

func (v *view) againstGeneration(f unitfile.File, target string) (string, error) {
	switch {
	case f.Kind == unitfile.Missing:
		return stateMissing, nil
	case f.Target == "":
		return stateDangling, nil
	case f.FirstHop == target: // a mask too, where the generation declares one
		return stateDeclared, nil
	case f.Target == "/dev/null":
		return stateMask, nil
	case f.Directory:
		return stateDirectory, nil
	case f.Kind == unitfile.Symlink && v.generation.Owns(f.FirstHop):
		return stateOther, nil
	case f.Kind == unitfile.Symlink:
		return stateForeign, nil
	case f.Digest == "":
		return stateUnreadable, nil
	}
	want, err := unitfile.Stat(v.ctx, target, v.store())
	if err != nil {
		return "", err
	}
	if want.Digest != f.Digest {
		return stateDifferent, nil
	}
	if !v.owned(f) {
		return stateUnsafe, nil
	}
	return stateIdentical, nil
}

func (v *view) asDeclaration(f unitfile.File) string {
	switch {
	case f.Kind == unitfile.Missing:
		return stateMissing
	case f.Target == "/dev/null":
		return stateMask
	case f.Directory:
		return stateDirectory
	case f.Target == "":
		return stateDangling
	case f.Digest == "":
		return stateUnreadable
	case !v.owned(f):
		return stateUnsafe
	}
	return stateDeclared
}

// owned: only the user, or root for them, can change it.
func (v *view) owned(f unitfile.File) bool {
	return (f.UID == v.env.UID || f.UID == 0) && f.Mode&0o022 == 0
}

// byFolder groups the declared paths by the folder they stand in.
func byFolder(declared map[string]string) map[string][]string {
	folders := map[string][]string{}
	for path := range declared {
		dir := filepath.Dir(path)
		folders[dir] = append(folders[dir], path)
	}
	for _, paths := range folders {
		slices.Sort(paths)
	}
	return folders
}

// declaredLinks groups the declared wants, requires and upholds links by the
// unit they pull in and their kind.
func declaredLinks(unitDir string, folders map[string][]string) map[string][]unitfile.Link {
	links := map[string][]unitfile.Link{}
	for dir, paths := range folders {
		if filepath.Dir(dir) != unitDir {
			continue
		}
		of, kind := unitfile.Split(filepath.Base(dir))
		for _, p := range paths {
			key := filepath.Base(p) + "\x00" + kind
			links[key] = append(links[key], unitfile.Link{Path: p, Of: of, Kind: kind})
		}
	}
	return links
}
