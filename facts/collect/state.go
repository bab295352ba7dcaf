package collect

import (
	"io/fs"
	"path/filepath"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// state compares a file with its declaration: the Home Manager generation or, for a unit
// that only the configuration manages, the user's own folder.
func (w *walker) state(u facts.Unit, f unitfile.File, out facts.File) (string, error) {
	switch {
	case w.isPending(f, out.Path):
		return facts.StatePending, nil
	case out.DeclaredTarget != "":
		return w.againstGeneration(f, out.DeclaredTarget)
	case out.Origin == facts.OriginGenerator && (u.Quadlet || out.IsOwnLink() && w.manages(out.Of)):
		return facts.StateGenerated, nil
	case w.generation != nil && w.generation.Owns(f.FirstHop) && !w.generation.IsCurrent(f.FirstHop):
		return facts.StateOther, nil
	case u.ManagedBy == facts.ByConfig && out.Origin == facts.OriginUser:
		return w.asDeclaration(f), nil
	case w.generation != nil && w.generation.Owns(f.FirstHop):
		return facts.StateOther, nil
	case f.Target == "/dev/null":
		return facts.StateMask, nil
	}
	return facts.StateUndeclared, nil
}

// isPending reports whether what is at a path is as the generation has it whose
// activation did not reach its end, and not as the current one has it. An
// activation removes links as well.
func (w *walker) isPending(f unitfile.File, path string) bool {
	target, declared := w.pending[path]
	switch {
	case w.pending == nil || declared && target == w.declared[path]:
		return false
	case f.Kind == unitfile.Missing:
		return !declared
	}
	return declared && f.FirstHop == target && f.Target != ""
}

func (w *walker) againstGeneration(f unitfile.File, target string) (string, error) {
	switch {
	case f.Kind == unitfile.Missing:
		return facts.StateMissing, nil
	case f.Target == "":
		return facts.StateDangling, nil
	case f.FirstHop == target: // also a mask that the generation declares
		return facts.StateDeclared, nil
	case f.Target == "/dev/null":
		return facts.StateMask, nil
	case f.Directory:
		return facts.StateDirectory, nil
	case f.Kind == unitfile.Symlink && w.generation.Owns(f.FirstHop):
		return facts.StateOther, nil
	case f.Kind == unitfile.Symlink:
		return facts.StateForeign, nil
	case f.Digest == "":
		return facts.StateUnreadable, nil
	}
	want, err := unitfile.Stat(w.ctx, target, w.store())
	if err != nil {
		return "", err
	}
	if want.Digest != f.Digest {
		return facts.StateDifferent, nil
	}
	if !w.owned(f) {
		return facts.StateUnsafe, nil
	}
	return facts.StateIdentical, nil
}

func (w *walker) asDeclaration(f unitfile.File) string {
	switch {
	case f.Kind == unitfile.Missing:
		return facts.StateMissing
	case f.Target == "/dev/null":
		return facts.StateMask
	case f.Directory:
		return facts.StateDirectory
	case f.Target == "":
		return facts.StateDangling
	case f.Digest == "":
		return facts.StateUnreadable
	case !w.owned(f):
		return facts.StateUnsafe
	}
	return facts.StateDeclared
}

// owned reports whether only the user, or root, can change the file. The user's private
// group has no other members, so it may write.
func (w *walker) owned(f unitfile.File) bool {
	others := fs.FileMode(0o022)
	if w.privateGID >= 0 && f.GID == w.privateGID {
		others = 0o002
	}
	return (f.UID == w.env.UID || f.UID == 0) && f.Mode&others == 0
}

// byFolder groups the declared paths by their folder.
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

// declaredLinks groups the declared wants, requires and upholds links by their kind and the
// unit that they pull in.
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
